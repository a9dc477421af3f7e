"""Learned k, alpha and beta as module parameters, with lazy shape inference."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter, is_lazy

from localnorm.errors import LearnableError, ModelError
from localnorm.learnable import NAMES, checked_count, learnable_names
from localnorm.spec import LRNSpec
from localnorm.torch import onnx
from localnorm.torch.array_ops import wide_dtype


class LearnedValues(nn.Module):
    """Mixin of a module that learns ``initial * exp(p)`` instead of the fixed values of a spec."""

    spec: LRNSpec
    learnable: tuple[str, ...] = ()
    per_channel: bool = False
    _lazy: bool = False
    """True until the number of channels is known."""

    def _learn(
        self,
        spec: LRNSpec,
        learnable: bool | str | Iterable[str],
        per_channel: bool,
        num_channels: int | None,
        device: torch.device | str | int | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        """Set the spec and create the parameters."""
        self.spec = spec
        self.learnable = learnable_names(learnable, spec)
        self.per_channel = per_channel
        count = None if num_channels is None else checked_count(num_channels)
        self._lazy = bool(self.learnable) and per_channel and count is None
        for name in self.learnable:
            if self._lazy:
                parameter: nn.Parameter = UninitializedParameter(device=device, dtype=dtype)  # type: ignore[call-arg, assignment]
            else:
                # One axis even for a single value: FSDP can't shard a parameter without any.
                shape = 1 if count is None or not per_channel else count
                parameter = nn.Parameter(torch.zeros(shape, device=device, dtype=dtype))
            setattr(self, f"log_{name}", parameter)

    def reset_parameters(self) -> None:
        """Set learned values to their initial values again."""
        for name in self.learnable:
            if not self._lazy:
                nn.init.zeros_(getattr(self, f"log_{name}"))

    def value(self, name: str, initial: float) -> float | Tensor:
        """Return the initial value, times ``exp(p)`` if it is learned."""
        if name not in self.learnable:
            return initial
        if self._lazy:
            raise LearnableError(
                f"{name} has no value a channel before the number of channels is known; call the module once, or "
                "build it with e.g. num_channels=32."
            )
        p = getattr(self, f"log_{name}")
        p = p if self.per_channel else p.reshape(())
        factor: float | Tensor = initial
        if onnx.exporting():
            factor = onnx.number(initial, p).reshape([1] * p.ndim)
        # torch.fx records with a proxy of the parameter.
        wide = wide_dtype(p) if isinstance(p, Tensor) else torch.float64
        value: Tensor = p.to(wide).exp() * factor
        return value

    def learned(self) -> dict[str, Tensor]:
        """Return the learned values by name, with alpha as a factor of the sum of squares."""
        return {name: self.value(name, getattr(self.spec, name)) for name in self.learnable}  # type: ignore[misc]

    def current_spec(self) -> LRNSpec:
        """Return the spec of the current values; `spec` keeps the initial ones.

        Raises:
            LearnableError: there is one value for each channel, which a spec can't hold (a ValueError).

        Example:
            >>> from localnorm.torch import LocalResponseNorm
            >>> LocalResponseNorm(5, learnable=True).current_spec()
            LRNSpec(lo=2, hi=2, alpha=2e-05, beta=0.75, k=1.0)
        """
        if self.per_channel and self.learnable:
            raise LearnableError(
                "current_spec() needs one value for all channels, got a module with per_channel=True; read "
                f"{', '.join(f'module.{name}' for name in self.learnable)}, one value a channel."
            )
        current = {name: value.item() for name, value in self.learned().items()}
        numbers = {name: current.get(name, getattr(self.spec, name)) for name in NAMES}
        return LRNSpec(self.spec.lo, self.spec.hi, spatial=self.spec.spatial, **numbers)

    def _materialize(self, channels: int) -> None:
        """Create the parameters of a lazy module."""
        if torch.compiler.is_compiling():
            raise LearnableError(
                "a module to be compiled or exported must know its number of channels, got none yet; call it once "
                "before, or build it with e.g. num_channels=32."
            )
        # Parameters created in inference mode could never be trained.
        with torch.inference_mode(False), torch.no_grad():
            for name in self.learnable:
                parameter = getattr(self, f"log_{name}")
                parameter.materialize((channels,))
                parameter.zero_()
        self._lazy = False

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        """Save lazy parameters as they are: torch can't detach them."""
        lazy = {f"log_{name}": self._parameters.pop(f"log_{name}") for name in self.learnable if self._lazy}
        super()._save_to_state_dict(destination, prefix, keep_vars)
        self._parameters.update(lazy)
        destination.update({prefix + name: parameter for name, parameter in lazy.items()})

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *rest: Any) -> None:  # noqa: ANN401
        """Take the number of channels from the state if it is not known yet."""
        for name in self.learnable:
            saved = state.get(f"{prefix}log_{name}")
            if saved is not None and not is_lazy(saved) and saved.ndim == 0 and not self.per_channel:
                # Written before 0.1.0, without an axis.
                state[f"{prefix}log_{name}"] = saved.reshape(1)
            if self._lazy and saved is not None and not is_lazy(saved) and saved.ndim == 1:
                self._materialize(len(saved))
        super()._load_from_state_dict(state, prefix, *rest)

    def __prepare_scriptable__(self) -> nn.Module:
        """Refuse torch.jit.script, which asks for this and can't compile the dispatch to kernels."""
        raise ModelError(
            f"torch.jit.script can't compile localnorm's {type(self).__name__}; use torch.jit.trace or "
            "torch.export, or call localnorm.torch.restore_lrn(model) before."
        )

    def extra_repr(self) -> str:
        """Return the learning arguments that are not default, each after a comma."""
        names = True if self.learnable == NAMES else self.learnable
        shown = f", learnable={names}" if self.learnable else ""
        return shown + (", per_channel=True" if self.learnable and self.per_channel else "")
