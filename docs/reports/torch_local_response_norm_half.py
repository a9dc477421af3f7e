"""torch.nn.functional.local_response_norm squares float16 input in float16: 300 becomes 0.

300 ** 2 = 90000 is beyond 65504. The output, 300 / (1 + 5e-4 / 5 * m * 90000) ** 0.75 for m channels in the
window, is well within float16. Other normalization layers of torch compute in float32.
"""

import torch

x = torch.full((1, 4, 3), 300.0, dtype=torch.float16)
got = torch.nn.functional.local_response_norm(x, 5, alpha=5e-4)[0, :, 0].tolist()
expected = torch.nn.functional.local_response_norm(x.double(), 5, alpha=5e-4).half()[0, :, 0].tolist()

print("torch", torch.__version__)
print("expected", expected)
print("got     ", got)
