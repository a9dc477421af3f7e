"""The PyTorch door: `local_response_norm` and `LocalResponseNorm`, with the meaning that torch gives them.

Beside them, `GDN` and `IGDN`: the same with a learned weight for every pair of channels.
"""

from __future__ import annotations

try:
    import torch as _torch  # noqa: F401
except ImportError as problem:
    from localnorm.errors import MissingExtraError

    raise MissingExtraError(
        "localnorm.torch needs PyTorch, which can't be imported here; "
        "install it with: pip install 'localnorm[torch]'."
    ) from problem

from localnorm.torch.functional import local_response_norm
from localnorm.torch.gdn import GDN, IGDN
from localnorm.torch.module import LocalResponseNorm

__all__ = ["GDN", "IGDN", "LocalResponseNorm", "local_response_norm"]
