"""PyTorch API: `local_response_norm` and `LocalResponseNorm`, with the definition of torch's own.

Also `GDN`, `GDN1` and `IGDN`, with a learned weight for every pair of channels; `replace_lrn`, which swaps torch's
own LRN layers in a model for `LocalResponseNorm`, and `restore_lrn`, which swaps them back; and `swap_norms`,
which swaps the normalization layers of any model for another kind.
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
from localnorm.torch.gdn import GDN, GDN1, IGDN
from localnorm.torch.module import LocalResponseNorm
from localnorm.torch.swap.norms import swap_norms
from localnorm.torch.swap.replace import replace_lrn, restore_lrn
from localnorm.torch.swap.report import LeftLayer, SwappedLayer, SwapReport

__all__ = [
    "GDN",
    "GDN1",
    "IGDN",
    "LeftLayer",
    "LocalResponseNorm",
    "SwapReport",
    "SwappedLayer",
    "local_response_norm",
    "replace_lrn",
    "restore_lrn",
    "swap_norms",
]
