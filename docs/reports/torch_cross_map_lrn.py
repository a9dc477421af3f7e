"""torch.nn.CrossMapLRN2d never subtracts the square of channel 0.

The window of channel c holds c - 2 to c + 2. From channel 3 on, the square of channel 0 should have left the
sum: in torch/nn/modules/_functions.py, `if c > pre_pad` should be `if c >= pre_pad`.
"""

import torch

x = torch.ones(1, 8, 1, 1)
got = torch.nn.CrossMapLRN2d(size=5, alpha=5.0, beta=1.0, k=1.0)(x).flatten().tolist()
expected = torch.nn.LocalResponseNorm(size=5, alpha=5.0, beta=1.0, k=1.0)(x).flatten().tolist()

print("torch", torch.__version__)
print("expected", [round(y, 6) for y in expected])
print("got     ", [round(y, 6) for y in got])
