"""The module of the torch door."""

from __future__ import annotations

from torch import Tensor, nn

from localnorm.conventions import sum_to_mean
from localnorm.errors import ConversionError
from localnorm.spec import LRNSpec
from localnorm.torch.functional import apply_spec, checked_dim


class LocalResponseNorm(nn.Module):
    """Local response normalization as a module, with the meaning of ``torch.nn.LocalResponseNorm``.

    ``y_c = x_c / (k + alpha / size * sum_{j in W(c)} x_j^2)^beta``; see
    `localnorm.torch.local_response_norm` for the definition, the dtypes and the errors of the call.

    Args:
        size: channels in the window, at least 1.
        alpha: factor of the mean of squares over the window.
        beta: the exponent.
        k: the constant in the denominator.
        dim: the channel axis; 1 by default, as in torch.
        inplace: overwrite the input; only where no gradient is needed.

    Raises:
        SpecError: a hyperparameter that defines no LRN (a ValueError).
        AxisError: `dim` is not a whole number (a ValueError).

    Source: torch/nn/modules/normalization.py.

    Example:
        >>> import torch
        >>> layer = LocalResponseNorm(5, k=2.0)
        >>> layer
        LocalResponseNorm(5, alpha=0.0001, beta=0.75, k=2.0)
        >>> layer(torch.randn(4, 32, 7, 7)).shape
        torch.Size([4, 32, 7, 7])
    """

    def __init__(
        self,
        size: int,
        alpha: float = 1e-4,
        beta: float = 0.75,
        k: float = 1.0,
        *,
        dim: int = 1,
        inplace: bool = False,
    ) -> None:
        super().__init__()
        self.spec = LRNSpec.from_torch(size, alpha, beta, k)
        self.dim = checked_dim(dim)
        self.inplace = inplace

    @classmethod
    def from_spec(cls, spec: LRNSpec, *, dim: int = 1, inplace: bool = False) -> LocalResponseNorm:
        """Build the module of any spec, also of a window that torch's own arguments can't express.

        Example:
            >>> LocalResponseNorm.from_spec(LRNSpec.from_paper(n=5))
            LocalResponseNorm(5, alpha=0.0005, beta=0.75, k=2.0)
        """
        module = cls(1, dim=dim, inplace=inplace)
        module.spec = spec
        return module

    @property
    def size(self) -> int:
        """Channels in the window."""
        return self.spec.size

    @property
    def alpha(self) -> float:
        """Factor of the mean of squares: ``spec.alpha * size``."""
        return sum_to_mean(self.spec.alpha, self.spec.size)

    @property
    def beta(self) -> float:
        """The exponent."""
        return self.spec.beta

    @property
    def k(self) -> float:
        """The constant in the denominator."""
        return self.spec.k

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  the name that torch.nn gives it
        """Normalize `input`."""
        return apply_spec(input, self.spec, self.dim, inplace=self.inplace)

    def extra_repr(self) -> str:
        """Return the arguments as torch prints them, then those that only this class has."""
        try:
            arguments = self.spec.to_torch()
        except ConversionError:
            shown = repr(self.spec)
        else:
            shown = f"{arguments.pop('size')}, " + ", ".join(f"{k}={v}" for k, v in arguments.items())
        return shown + (f", dim={self.dim}" if self.dim != 1 else "") + (", inplace=True" if self.inplace else "")
