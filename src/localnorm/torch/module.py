"""`LocalResponseNorm` as a torch module, with fixed or learned k, alpha and beta."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import torch
from torch import Tensor

from localnorm.axes import whole_axis
from localnorm.conversion import mean_to_sum, real, sum_to_mean
from localnorm.errors import ConversionError, LearnableError
from localnorm.learnable import NAMES
from localnorm.spec import LRNSpec
from localnorm.torch.functional import apply_spec, checked_channel, local_response_norm
from localnorm.torch.functorch import recorded
from localnorm.torch.learnable import LearnedValues


class LocalResponseNorm(LearnedValues):
    """Local response normalization as a module, with the definition of ``torch.nn.LocalResponseNorm``.

    ``y_c = x_c / (k + alpha / size * sum_{j in W(c)} x_j^2)^beta``; see
    `localnorm.torch.local_response_norm` for the definition, the dtypes and the errors of the call.

    A learned value is ``initial * exp(p)``, with p a float32 parameter named ``log_k``, ``log_alpha`` or
    ``log_beta`` that starts at 0: always positive, and initially exactly the given value. Gradients are summed
    over the elements in float64, and the backward pass keeps the input and nothing else of its size.

    Args:
        size: channels in the window, at least 1.
        alpha: factor of the mean of squares over the window.
        beta: the exponent.
        k: the constant in the denominator.
        dim: the channel axis; 1 by default, as in torch.
        inplace: overwrite the input; only if no gradient is needed. Default False.
        learnable: True to learn k, alpha and beta, or the names of those to learn; default False.
        per_channel: learn one value for each channel instead of one for all; default False.
        num_channels: the extent of the channel axis, used with `per_channel`; by default taken from the first
            input or the loaded state.
        device: of the parameters; default torch's.
        dtype: of the parameters; default torch's.

    Raises:
        SpecError: a hyperparameter that defines no LRN (a ValueError).
        AxisError: `dim` is not a whole number (a ValueError and IndexError).
        LearnableError: an unknown name, an initial value of 0, an invalid `num_channels` (a ValueError).
        DeviceError: at the call, if the parameters are on another device than the input (a ValueError).

    Source: torch/nn/modules/normalization.py.

    Example:
        >>> import torch
        >>> layer = LocalResponseNorm(5, k=2.0)
        >>> layer
        LocalResponseNorm(5, alpha=0.0001, beta=0.75, k=2.0)
        >>> layer(torch.randn(4, 32, 7, 7)).shape
        torch.Size([4, 32, 7, 7])
        >>> [name for name, _ in LocalResponseNorm(5, learnable={"alpha", "beta"}).named_parameters()]
        ['log_alpha', 'log_beta']
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
        learnable: bool | str | Iterable[str] = False,
        per_channel: bool = False,
        num_channels: int | None = None,
        device: torch.device | str | int | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.dim = whole_axis(dim, "dim")
        self.inplace = inplace
        spec = LRNSpec.from_torch(size, alpha, beta, k)
        self._learn(spec, learnable, per_channel, num_channels, device, dtype)

    @classmethod
    def from_spec(
        cls,
        spec: LRNSpec,
        *,
        dim: int = 1,
        inplace: bool = False,
        learnable: bool | str | Iterable[str] = False,
        per_channel: bool = False,
        num_channels: int | None = None,
        device: torch.device | str | int | None = None,
        dtype: torch.dtype | None = None,
    ) -> LocalResponseNorm:
        """Build the module from any spec, even one whose window torch's own arguments can't express.

        Example:
            >>> LocalResponseNorm.from_spec(LRNSpec.from_paper(n=5))
            LocalResponseNorm(5, alpha=0.0005, beta=0.75, k=2.0)
            >>> LocalResponseNorm.from_spec(LRNSpec(1, 1, alpha=0.5, beta=0.75, k=1.0, spatial=2), learnable="k")
            LocalResponseNorm(LRNSpec(lo=1, hi=1, alpha=0.5, beta=0.75, k=1.0, spatial=2), learnable=('k',))
        """
        module = cls(1, dim=dim, inplace=inplace)
        module._learn(spec, learnable, per_channel, num_channels, device, dtype)
        return module

    @property
    def size(self) -> int:
        """The extent of the window along each of its axes; `spec` sets it."""
        return self.spec.size

    @property
    def alpha(self) -> float | Tensor:
        """Factor of the mean of squares: ``spec.alpha`` times the elements of a window; a tensor if learned."""
        return self.value("alpha", sum_to_mean(self.spec.alpha, self.spec.count))

    @alpha.setter
    def alpha(self, value: float) -> None:
        self._set("alpha", mean_to_sum(real("alpha", value, 0.0), self.spec.count))

    @property
    def beta(self) -> float | Tensor:
        """The exponent; a tensor if learned."""
        return self.value("beta", self.spec.beta)

    @beta.setter
    def beta(self, value: float) -> None:
        self._set("beta", real("beta", value))

    @property
    def k(self) -> float | Tensor:
        """The constant in the denominator; a tensor if learned."""
        return self.value("k", self.spec.k)

    @k.setter
    def k(self, value: float) -> None:
        self._set("k", real("k", value, 0.0))

    def _set(self, name: str, value: float) -> None:
        if name in self.learnable:
            raise LearnableError(
                f"{name} is learned and can't be set to {value!r}; set the parameter log_{name}, the logarithm of "
                f"its factor, or build the module with another initial value."
            )
        self.spec = replace(self.spec, **{name: value})  # type: ignore[arg-type]

    def register_parameter(self, name: str, param: torch.nn.Parameter | None) -> None:
        """Register a parameter; k, alpha and beta can't be parameters, only learned as factors."""
        if name in NAMES:
            real(name, param)  # raises: torch's error would be that the attribute exists
        super().register_parameter(name, param)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  the name that torch.nn gives it
        """Normalize `input`."""
        if recorded(input) and not self.learnable and not self.spec.spatial:
            return self._recorded(input)
        if self._lazy:
            self._materialize(input.shape[checked_channel(input, self.dim)])
        return apply_spec(input, self.spec, self.dim, inplace=self.inplace, learned=self.learned())

    def _recorded(self, x: Tensor) -> Tensor:
        """Let torch.fx record one call with plain numbers, if torch's arguments can express the window."""
        try:
            arguments = self.spec.to_torch()
        except ConversionError:
            return apply_spec(x, self.spec, self.dim, inplace=self.inplace)
        return local_response_norm(x, **arguments, dim=self.dim, inplace=self.inplace)

    def extra_repr(self) -> str:
        """Return the arguments as torch prints them, followed by those that only this class has."""
        shown = repr(self.spec)
        if not self.spec.spatial:
            try:
                arguments = self.spec.to_torch()
            except ConversionError:
                pass
            else:
                shown = f"{arguments.pop('size')}, " + ", ".join(f"{k}={v}" for k, v in arguments.items())
        shown += (f", dim={self.dim}" if self.dim != 1 else "") + (", inplace=True" if self.inplace else "")
        return shown + super().extra_repr()
