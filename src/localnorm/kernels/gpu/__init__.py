"""The experimental GPU kernel: LRN and its gradients in Triton, each element moved once for narrow windows.

**It has never run on a GPU**: it passes the conformance suite under Triton's interpreter, and its machine code was
inspected. It is off unless the environment variable LOCALNORM_GPU is 1 (`localnorm.kernels.available.gpu_kernel`).

`tiling` divides the work, `launch` selects kernels, grids and arguments. `channels_first_*` and `channels_last_*`
are for narrow windows in these memory layouts, `wide_*` for wide windows. float16, bfloat16 and float32 are
computed in float32; a program that meets a value outside its range (a square that overflows or underflows, a NaN,
an infinity) recomputes its tile in float64 (`float64`). No value is read outside of the kernels.

All modules but `tiling` import Triton, so this file imports none of them.
"""
