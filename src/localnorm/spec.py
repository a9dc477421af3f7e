"""LRNSpec: the definition of LRN as a value, and its conversion from and to each framework's parameters."""

from __future__ import annotations

import inspect
import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, overload

from localnorm.conventions import CONVENTIONS, Convention, mean_to_sum, sum_to_mean
from localnorm.errors import ConversionError, SpecError


def _whole(name: str, value: object, least: int, most: float = math.inf) -> int:
    """Return value as an int, or say what is wrong with it."""
    try:
        if isinstance(value, bool):
            raise TypeError
        whole = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise SpecError(
            f"{name} must be a whole number, got {value!r} of type {type(value).__name__}; "
            f"pass an int such as {max(least, 5)}."
        ) from None
    if not least <= whole <= most:
        bounds = f"at least {least}" if most == math.inf else f"from {least} to {most:.0f}"
        raise SpecError(f"{name} must be {bounds}, got {whole}; pass a value in that range.")
    return whole


def _real(name: str, value: object, least: float = -math.inf) -> float:
    """Return value as a finite float of at least `least`, or say what is wrong with it."""
    try:
        if isinstance(value, (bool, str, bytes)):
            raise TypeError
        real = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise SpecError(
            f"{name} must be a real number, got {value!r} of type {type(value).__name__}; pass a float."
        ) from None
    if not math.isfinite(real):
        raise SpecError(f"{name} must be finite, got {real}; check how it was computed.")
    if real < least:
        raise SpecError(f"{name} must be at least {least:g}, got {real:g}; check its sign.")
    return real


class _From:
    """The constructor ``LRNSpec.from_<name>`` of one row of the table of conventions."""

    def __init__(self, name: str) -> None:
        self.row = row = CONVENTIONS[name]
        empty = inspect.Parameter.empty
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        self.__signature__ = inspect.Signature(
            [inspect.Parameter(n, kind, default=row.defaults.get(n, empty)) for n in row.order]
        )
        self.__name__ = f"from_{name}"
        self.__doc__ = (
            f"Build a spec from the parameters of {name}: {row.rule.reads}; alpha is "
            f"{'divided by the window argument' if row.mean else 'taken as it is'}.\n\nSource: {row.source}."
        )

    def __call__(self, *args: float, **kwargs: float) -> LRNSpec:
        row = self.row
        given = dict(zip(row.order, args, strict=False))
        if len(args) > len(row.order) or given.keys() & kwargs.keys() or kwargs.keys() - set(row.order):
            raise ConversionError(
                f"{self.__name__} takes each of {', '.join(row.order)} once and nothing else, "
                f"got {args} and {kwargs}; name the arguments."
            )
        given = {**row.defaults, **given, **kwargs}
        if row.arguments[0] not in given:
            raise ConversionError(
                f"{self.__name__} needs {row.arguments[0]}, which has no default there; "
                f"pass {row.arguments[0]}=5, say."
            )
        window, alpha, beta, k = (given[name] for name in row.arguments)
        size = _whole(row.arguments[0], window, *row.sizes)
        if row.rule.odd and size % 2 == 0:
            raise SpecError(f"{row.arguments[0]} must be odd in {row.name}, got {size}; use {size + 1}.")
        lo, hi = row.rule.window(size)
        alpha = _real(row.arguments[1], alpha, 0.0)
        beta = _real(row.arguments[2], beta, row.smallest_beta)
        k = _real(row.arguments[3], k, row.smallest_k)
        return LRNSpec(lo, hi, mean_to_sum(alpha, size) if row.mean else alpha, beta, k)


class _To:
    """The method ``LRNSpec.to_<name>`` of one row of the table of conventions."""

    def __init__(self, name: str) -> None:
        self.row = row = CONVENTIONS[name]
        self.__name__ = f"to_{name}"
        self.__doc__ = (
            f"Return the keyword arguments of {name}: {', '.join(row.order)}.\n\n"
            f"Raises ConversionError where {name} can't express the spec. Source: {row.source}."
        )

    @overload
    def __get__(self, spec: None, owner: type) -> _To: ...

    @overload
    def __get__(self, spec: LRNSpec, owner: type) -> Callable[[], dict[str, Any]]: ...

    def __get__(self, spec: LRNSpec | None, owner: type) -> _To | Callable[[], dict[str, Any]]:
        if spec is None:
            return self

        def to_convention() -> dict[str, Any]:
            return _arguments(spec, self.row)

        to_convention.__name__, to_convention.__doc__ = self.__name__, self.__doc__
        return to_convention


def _arguments(spec: LRNSpec, row: Convention) -> dict[str, Any]:
    """Return the spec in the parameters of one framework, or say why it can't be expressed."""
    window_name, alpha_name, beta_name, k_name = row.arguments
    size = row.rule.size(spec.lo, spec.hi)
    if size is None:
        others = [r.name for r in CONVENTIONS.values() if r.rule.size(spec.lo, spec.hi) is not None]
        raise ConversionError(
            f"{row.name} can't express the window [c-{spec.lo}, c+{spec.hi}]: {row.rule.reads}. "
            + (f"It can be expressed in {', '.join(others)}; " if others else "")
            + f"a symmetric window such as [c-{spec.hi}, c+{spec.hi}] can be expressed everywhere."
        )
    if not row.sizes[0] <= size <= row.sizes[1]:
        raise ConversionError(
            f"{row.name} takes {window_name} from {row.sizes[0]} to {row.sizes[1]:.0f}, this spec needs "
            f"{size}; use a narrower window or another framework."
        )
    for name, value, least in ((k_name, spec.k, row.smallest_k), (beta_name, spec.beta, row.smallest_beta)):
        if value < least:
            raise ConversionError(
                f"{row.name} takes {name} of at least {least:g}, this spec has {value:g}; "
                f"raise it to {least:g} or use another framework."
            )
    values = {
        window_name: size,
        alpha_name: sum_to_mean(spec.alpha, size) if row.mean else spec.alpha,
        beta_name: spec.beta,
        k_name: spec.k,
    }
    return {name: values[name] for name in row.order}


@dataclass(frozen=True, slots=True)
class LRNSpec:
    """One local response normalization: ``y_c = x_c / (k + alpha * sum_{j in W(c)} x_j^2)^beta``.

    The window ``W(c)`` is ``[c - lo, c + hi]`` cut at the borders, and alpha multiplies the sum of
    squares; it is divided by nothing. Across channels (``spatial=0``, the usual LRN) c counts channels. Within
    a channel (``spatial=2``, say) the window is a box that reaches as far along each of the last `spatial`
    axes other than the channel axis, and each channel is normalized by itself.

    Every framework's own parameters are a constructor
    ``from_<framework>`` and a method ``to_<framework>``, for paper, torch, tensorflow, caffe, onnx and cudnn.
    A round trip through them is exact for every alpha of up to 15 significant digits; a longer one may
    come back changed by one unit in its last place where alpha is divided by the size, because no float
    may exist that divides to it.

    Args:
        lo: channels below c in the window, at least 0.
        hi: channels above c in the window, at least 0.
        alpha: factor of the sum of squares, finite, at least 0.
        beta: the exponent, finite.
        k: the constant, finite, at least 0, and more than 0 where alpha is 0.
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
            "lo": _whole("lo", self.lo, 0),
            "hi": _whole("hi", self.hi, 0),
            "alpha": _real("alpha", self.alpha, 0.0),
            "beta": _real("beta", self.beta),
            "k": _real("k", self.k, 0.0),
            "spatial": _whole("spatial", self.spatial, 0),
        }
        if checked["alpha"] == 0 and checked["k"] == 0:
            raise SpecError("k must be more than 0 where alpha is 0, got k=0: the output would be 0/0; pass k=1.")
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
        """Return the constructor call; `spatial` appears where it is not 0."""
        shown = f"lo={self.lo}, hi={self.hi}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
        return f"LRNSpec({shown}{f', spatial={self.spatial}' if self.spatial else ''})"

    from_paper = _From("paper")
    to_paper = _To("paper")
    from_torch = _From("torch")
    to_torch = _To("torch")
    from_tensorflow = _From("tensorflow")
    to_tensorflow = _To("tensorflow")
    from_caffe = _From("caffe")
    to_caffe = _To("caffe")
    from_onnx = _From("onnx")
    to_onnx = _To("onnx")
    from_cudnn = _From("cudnn")
    to_cudnn = _To("cudnn")
