"""LRNSpec: the parameters that define one local response normalization."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from localnorm.conventions import CONVENTIONS, Convention, find_convention
from localnorm.conversion import Parameters, bind, from_arguments, real, to_arguments, whole
from localnorm.errors import SpecError


@dataclass(frozen=True, slots=True)
class LRNSpec:
    """One local response normalization: ``y_c = x_c / (k + alpha * sum_{j in W(c)} x_j^2)^beta``.

    The window ``W(c)`` is ``[c - lo, c + hi]`` cut at the borders, and alpha multiplies the sum of
    squares; it is divided by nothing. Across channels (``spatial=0``, the usual LRN) c counts channels. Within
    a channel (e.g. ``spatial=2``) the window is a box that reaches as far along each of the last `spatial`
    axes other than the channel axis, and each channel is normalized by itself.

    `from_framework` and `to_framework` convert from and to the parameters of every framework in
    `localnorm.conventions`. Each also has the short forms ``from_<name>`` and ``to_<name>``, e.g. ``from_caffe``.
    A round trip is exact for every alpha of up to 15 significant digits; a longer one may change by one unit in
    its last place if the framework divides alpha, because no float may exist that divides to it.

    Args:
        lo: channels below c in the window, at least 0.
        hi: channels above c in the window, at least 0.
        alpha: factor of the sum of squares, finite, at least 0.
        beta: the exponent, finite.
        k: the constant, finite, at least 0, and more than 0 if alpha is 0.
        spatial: spatial axes that the window spans in place of the channel axis, at least 0; default 0.

    Raises:
        SpecError: a value breaks one of these rules (a ValueError).

    Source: Krizhevsky, Sutskever and Hinton, "ImageNet Classification with Deep Convolutional Neural
    Networks", NIPS 2012, section 3.3.

    Example:
        >>> spec = LRNSpec.from_torch(size=5, alpha=1e-4, beta=0.75, k=1.0)
        >>> spec
        LRNSpec(lo=2, hi=2, alpha=2e-05, beta=0.75, k=1.0)
        >>> spec.to_tensorflow()
        {'depth_radius': 2, 'bias': 1.0, 'alpha': 2e-05, 'beta': 0.75}
    """

    lo: int
    hi: int
    alpha: float
    beta: float
    k: float
    spatial: int = 0

    def __post_init__(self) -> None:
        checked = {
            "lo": whole("lo", self.lo, 0),
            "hi": whole("hi", self.hi, 0),
            "alpha": real("alpha", self.alpha, 0.0),
            "beta": real("beta", self.beta),
            "k": real("k", self.k, 0.0),
            "spatial": whole("spatial", self.spatial, 0),
        }
        if checked["alpha"] == 0 and checked["k"] == 0:
            raise SpecError("k must be more than 0 if alpha is 0, got k=0: the output would be 0/0; pass k=1.")
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    @property
    def size(self) -> int:
        """The extent of a window that no border cuts, along each of its axes: ``lo + hi + 1``."""
        return self.lo + self.hi + 1

    @property
    def count(self) -> int:
        """The number of elements in such a window: ``size``, or ``size ** spatial`` within a channel."""
        return math.prod([self.size] * max(self.spatial, 1))

    def __repr__(self) -> str:
        """Return the constructor call; `spatial` appears if it is not 0."""
        shown = f"lo={self.lo}, hi={self.hi}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
        return f"LRNSpec({shown}{f', spatial={self.spatial}' if self.spatial else ''})"

    @classmethod
    def from_framework(cls, framework: str, /, *args: Any, **arguments: Any) -> LRNSpec:  # noqa: ANN401
        """Build the spec that a framework means by its arguments.

        Args:
            framework: a name in `localnorm.conventions.CONVENTIONS`, or an alias such as ``tf``.
            *args: the framework's arguments in its own order.
            **arguments: the framework's arguments under its own names; missing ones have its defaults.

        Raises:
            ConversionError: an unknown framework or argument, or a required argument missing (a ValueError).
            SpecError: an argument that the framework or the definition does not allow (a ValueError).

        Example:
            >>> LRNSpec.from_framework("caffe", local_size=5, alpha=1e-4)
            LRNSpec(lo=2, hi=2, alpha=2e-05, beta=0.75, k=1.0)
        """
        row = find_convention(framework)
        return cls(*from_arguments(row, bind(row, args, arguments)))

    def to_framework(self, framework: str, /) -> dict[str, Any]:
        """Return the keyword arguments with which a framework computes this spec.

        Args:
            framework: a name in `localnorm.conventions.CONVENTIONS`, or an alias such as ``tf``.

        Raises:
            ConversionError: an unknown framework, or one that can't express this spec (a ValueError). The
                message names the frameworks that can.

        Example:
            >>> LRNSpec(lo=2, hi=2, alpha=2e-5, beta=0.75, k=1.0).to_framework("tensorflow")
            {'depth_radius': 2, 'bias': 1.0, 'alpha': 2e-05, 'beta': 0.75}
        """
        spec = Parameters(self.lo, self.hi, self.alpha, self.beta, self.k, self.spatial)
        return to_arguments(spec, find_convention(framework))

    # Set below for every convention; type checkers know the short forms declared here.
    from_paper: ClassVar[Callable[..., LRNSpec]]
    to_paper: ClassVar[Callable[[LRNSpec], dict[str, Any]]]
    from_torch: ClassVar[Callable[..., LRNSpec]]
    to_torch: ClassVar[Callable[[LRNSpec], dict[str, Any]]]
    from_torch_cross_map: ClassVar[Callable[..., LRNSpec]]
    to_torch_cross_map: ClassVar[Callable[[LRNSpec], dict[str, Any]]]
    from_tensorflow: ClassVar[Callable[..., LRNSpec]]
    to_tensorflow: ClassVar[Callable[[LRNSpec], dict[str, Any]]]
    from_caffe: ClassVar[Callable[..., LRNSpec]]
    to_caffe: ClassVar[Callable[[LRNSpec], dict[str, Any]]]
    from_onnx: ClassVar[Callable[..., LRNSpec]]
    to_onnx: ClassVar[Callable[[LRNSpec], dict[str, Any]]]


def _add_short_forms(row: Convention) -> None:
    """Give LRNSpec ``from_<name>``, with the framework's signature, and ``to_<name>``."""

    def from_name(cls: type[LRNSpec], *args: Any, **arguments: Any) -> LRNSpec:  # noqa: ANN401
        return cls.from_framework(row.name, *args, **arguments)

    def to_name(self: LRNSpec) -> dict[str, Any]:
        return self.to_framework(row.name)

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [inspect.Parameter(name, kind, default=value) for name, value in row.parameters.items()]
    signature = inspect.Signature([inspect.Parameter("cls", kind), *parameters])
    from_name.__signature__ = signature  # type: ignore[attr-defined]
    from_name.__name__, to_name.__name__ = f"from_{row.name}", f"to_{row.name}"
    note = f"Note: {row.note}.\n\n" if row.note else ""
    from_name.__doc__ = (
        f"Build a spec from the arguments of {row.name}: {row.rule.text}; alpha is {row.alpha_rule}.\n\n"
        f"{note}Source: {row.source}."
    )
    to_name.__doc__ = (
        f"Return the keyword arguments of {row.name}: {', '.join(row.parameters)}.\n\n"
        f"Raises ConversionError if {row.name} can't express the spec. Source: {row.source}."
    )
    setattr(LRNSpec, from_name.__name__, classmethod(from_name))
    setattr(LRNSpec, to_name.__name__, to_name)


for _row in CONVENTIONS.values():
    _add_short_forms(_row)
