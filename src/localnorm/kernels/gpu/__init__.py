"""The GPU kernel: LRN and its gradients in Triton, each element moved once where windows are narrow.

`plan` cuts the work up, `launch` says what to call with what. `rows_forward` and `rows_backward` are for where
a row of positions is a channel, `side_forward` and `side_backward` where channels lie side by side, `wide_forward`
and `wide_backward` for wide windows. float16, bfloat16 and float32 are computed in float32; a program that finds
a number there that float32 won't do, a square that overflows or vanishes, a NaN or an infinity, does its tile
again in float64 (`again`, `anywhere`). No value is looked at outside of the kernels.

All but `plan` import Triton, so this file imports none of them.
"""
