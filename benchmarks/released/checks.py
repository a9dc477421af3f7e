"""Check released LRN implementations against the float64 reference, one table of errors per check.

Each check runs every implementation that is installed and can express its normalization.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.released.implementations import RELEASED, Arguments, Array, Released
from localnorm import LRNSpec, reference
from localnorm.conventions import CONVENTIONS, RADIUS
from localnorm.errors import ConversionError

ROOT = Path(__file__).resolve().parents[2]
WRONG = 1e-5
"""Errors above it are wrong: float32 arithmetic errs by 1e-6 here, a mistake by 1e-3 or more."""
SPEC = LRNSpec(2, 2, 0.2, 0.75, 1.0)
OUTSIDE = [0, 1, *range(7, 17)]
"""The channels whose window of 5 does not hold channel 4."""


def _localnorm(x: Array, arguments: Arguments) -> Array:
    import torch

    from localnorm.torch import local_response_norm

    y: Array = local_response_norm(torch.from_numpy(x), **arguments).numpy()
    return y


IMPLEMENTATIONS: dict[str, Released] = {
    name: one
    for name, one in {
        **RELEASED,
        "localnorm.torch": Released("localnorm.torch", ("localnorm",), ("torch",), "torch", _localnorm),
    }.items()
    if all(find_spec(module.partition(".")[0]) for module in one.modules)
}

Measure = Callable[[Released], float]


@dataclass
class Section:
    """One section of the page: a table with one row per implementation."""

    key: str
    title: str
    text: str
    columns: tuple[str, ...]
    rows: dict[str, list[str]] = field(default_factory=dict)
    wrong: set[str] = field(default_factory=set)

    def add(self, name: str, cells: list[str], *, wrong: bool) -> None:
        """Add the row of an implementation."""
        self.rows[name] = cells
        if wrong:
            self.wrong.add(name)


def _number(error: float) -> str:
    return "NaN" if np.isnan(error) else f"{error:.1e}"


def _error(y: Array, x: Array, spec: LRNSpec, channels: list[int] | None = None) -> float:
    """Return the worst relative error on some channels; NaN if an output is NaN and should not be."""
    wanted = reference.forward(x, spec)
    chosen = slice(None) if channels is None else channels
    with np.errstate(all="ignore"):
        return float(np.max(np.abs(y.astype(np.float64) - wanted)[:, chosen] / np.abs(wanted)[:, chosen]))


def _of(x: Array, spec: LRNSpec, channels: list[int] | None = None) -> Measure:
    """Return a function that measures an implementation's error on an input."""
    return lambda one: _error(one(x, spec), x, spec, channels)


def _short(problem: Exception) -> str:
    return f"refused ({type(problem).__name__})"


def _measure(section: Section, measures: list[Measure], names: Iterable[str] = IMPLEMENTATIONS) -> Section:
    """Fill a section with errors: one column per measure, one row per implementation that can express any."""
    for name in filter(IMPLEMENTATIONS.get, names):
        cells, wrong = [], False
        for measure in measures:
            try:
                error = measure(IMPLEMENTATIONS[name])
            except ConversionError:
                cells.append("not expressible")
            except Exception as problem:  # noqa: BLE001  each framework raises other exceptions
                cells.append(_short(problem))
            else:
                cells.append(_number(error))
                wrong |= not error <= WRONG
        if set(cells) != {"not expressible"}:
            section.add(name, cells, wrong=wrong)
    return section


def _ordinary(shape: tuple[int, ...] = (2, 17, 5, 4)) -> Array:
    rng = np.random.default_rng(0)
    signed: Array = rng.uniform(0.5, 2.0, shape) * rng.choice([-1, 1], shape)
    return signed.astype(np.float32)


def ordinary() -> Section:
    """Windows of 3, 5, 7 and 11 channels on ordinary numbers."""
    x = _ordinary((2, 27, 5, 4))
    specs = [LRNSpec(r, r, 0.2, 0.75, 1.0) for r in (1, 2, 3, 5)]
    section = Section(
        "ordinary",
        "Ordinary numbers",
        "Input: 2 samples of 27 channels of 5 x 4, numbers from 0.5 to 2 of both signs; k = 1, beta = 0.75. "
        "Worst relative error over all channels.",
        tuple(f"{spec.size} channels" for spec in specs),
    )
    return _measure(section, [_of(x, spec) for spec in specs])


def even() -> Section:
    """What each one computes for a size of 4."""
    windows = {"extra channel below": (2, 1), "extra channel above": (1, 2)}
    windows |= {"5 channels": (2, 2), "3 channels": (1, 1)}
    section = Section(
        "even",
        "A size of 4",
        "Input: 17 samples of 17 channels of ordinary numbers. Shown is the window whose output agrees to 1e-5, "
        "if there is one; alpha is divided by 4 in each. Frameworks define even sizes differently. Bold: the "
        "output agrees with no window, or contradicts the framework's definition. Frameworks that take a radius "
        "have no even sizes.",
        ("defined as", "computes"),
    )
    x = _ordinary((17, 17, 2, 3))
    for name, one in IMPLEMENTATIONS.items():
        row = CONVENTIONS[one.convention]
        if row.rule is RADIUS:
            continue
        defined = "nothing" if row.even else "an error" if row.rule.odd else row.rule.even
        values: dict[str, Any] = dict(zip(row.roles, (4, 0.8, 0.75, 1.0), strict=True))
        try:
            y = one.run(x, {**values, **({"axes": (1,)} if "axes" in row.parameters else {})})
        except Exception as problem:  # noqa: BLE001  each framework raises other exceptions
            section.add(name, [defined, _short(problem)], wrong=False)
            continue
        fits = [w for w, (lo, hi) in windows.items() if _error(y, x, LRNSpec(lo, hi, 0.2, 0.75, 1.0)) <= WRONG]
        computed = fits[0] if fits else "none of these windows"
        section.add(name, [defined, computed], wrong=not fits or (defined in windows and defined != computed))
    return section


def spike() -> Section:
    """One large channel, and what channels make of it that don't hold it in their window."""
    section = Section(
        "spike",
        "A large number in a channel that the window does not hold",
        "Input: numbers from 1 to 2 in 17 channels, channel 4 is the spike; size 5. Worst relative error over the "
        "channels whose window does not hold channel 4.",
        ("1e3", "1e4", "1e5"),
    )

    inputs = []
    for size in (1e3, 1e4, 1e5):
        x = np.random.default_rng(0).uniform(1, 2, (17, 17, 2, 3)).astype(np.float32)
        x[:, 4] = size
        inputs.append(x)
    return _measure(section, [_of(x, SPEC, OUTSIDE) for x in inputs])


def deep() -> Section:
    """The same in TensorFlow where there are many channels and beta has a shortcut."""
    section = Section(
        "deep",
        "The same spike among 385 channels",
        "Input: numbers from 1 to 2 in 385 channels, channel 4 is 1e4; size 5. Worst relative error over the "
        "channels whose window does not hold channel 4. 0.5 is TensorFlow's default beta.",
        ("beta 0.5", "beta 0.75", "beta 1"),
    )
    x = np.random.default_rng(0).uniform(1, 2, (1, 385, 1, 3)).astype(np.float32)
    x[:, 4] = 1e4
    specs = [LRNSpec(2, 2, 0.2, beta, 1.0) for beta in (0.5, 0.75, 1.0)]
    channels = [0, 1, *range(7, 385)]
    return _measure(section, [_of(x, spec, channels) for spec in specs], ("TensorFlow", "localnorm.torch"))


def overflow() -> Section:
    """One number whose square float32 can't hold."""
    x = np.ones((17, 17, 1, 2), np.float32)
    x[:, 4] = 3e20
    right = reference.forward(x, SPEC)
    section = Section(
        "overflow",
        "A number whose square overflows",
        "Input: ones in 17 channels, channel 4 is 3e20, whose square is beyond float32; size 5. The right outputs "
        f"are within float32, from {right.min():.1e} to {right.max():.1e}. Worst relative error over the channels "
        "whose window does not hold channel 4, and over those whose window does; 1 means an output of 0.",
        ("without it in the window", "with it"),
    )
    inside = [2, 3, 4, 5, 6]
    return _measure(section, [_of(x, SPEC, OUTSIDE), _of(x, SPEC, inside)])


def nan() -> Section:
    """How far one NaN spreads."""
    section = Section(
        "nan",
        "One NaN",
        "Input: ones in 17 channels, channel 4 is NaN; size 5, so that 5 channels have it in their window.",
        ("channels that are NaN",),
    )
    x = np.ones((17, 17, 1, 2), np.float32)
    x[:, 4] = np.nan
    for name, one in IMPLEMENTATIONS.items():
        count = int(np.isnan(one(x, SPEC)).any(axis=(0, 2, 3)).sum())
        section.add(name, [f"{count} of 17"], wrong=count != 5)
    return section


def bias() -> Section:
    """A k that is no whole number."""
    section = Section(
        "bias",
        "A k that is not a whole number",
        "Input: 17 samples of 17 channels of ordinary numbers; size 5. Worst relative error over all channels.",
        ("k = 0.5", "k = 1", "k = 1.75", "k = 2"),
    )
    x = _ordinary((17, 17, 2, 3))
    specs = [LRNSpec(2, 2, 0.2, 0.75, k) for k in (0.5, 1.0, 1.75, 2.0)]
    return _measure(section, [_of(x, spec) for spec in specs])


_TYPED = (
    "torch functional",
    "TensorFlow",
    "onnx ReferenceEvaluator",
    "onnxruntime",
    "OpenVINO",
    "localnorm.torch",
)


def _accepted(one: Released, x: Array, spec: LRNSpec, allowed: float) -> tuple[str, bool]:
    """Return what becomes of an input, and whether that is a wrong number."""
    try:
        with np.errstate(all="ignore"):
            y = one(x, spec)
            error = _error(y, x, spec)
    except Exception as problem:  # noqa: BLE001
        return _short(problem), False
    if y.dtype != x.dtype:
        return f"{_number(error)} as {y.dtype}", not error <= allowed
    return _number(error), not error <= allowed


def half() -> Section:
    """float16 inputs of 300, whose squares float16 can't hold."""
    x = np.full((17, 17, 3), 300, np.float16)
    right = reference.forward(x, SPEC)
    section = Section(
        "half",
        "float16",
        "Input: 17 samples of 17 channels, all numbers 300, whose square is beyond float16; size 5. The right "
        f"outputs are within float16, from {right.min():.1e} to {right.max():.1e}. Worst relative error over all "
        "channels; 1 means an output of 0.",
        ("(N, C, L)", "(N, C, H, W)"),
    )
    for name in _TYPED:
        if name in IMPLEMENTATIONS:
            found = [_accepted(IMPLEMENTATIONS[name], a, SPEC, 2e-3) for a in (x, x[..., None].copy())]
            section.add(name, [cell for cell, _ in found], wrong=any(wrong for _, wrong in found))
    return section


def ranks() -> Section:
    """Which ranks and dtypes are refused."""
    kinds: list[tuple[str, type[np.floating[Any]], tuple[int, ...]]] = [
        ("float32, 2 axes", np.float32, (17, 17)),
        ("3 axes", np.float32, (17, 17, 3)),
        ("5 axes", np.float32, (17, 17, 2, 2, 2)),
        ("float64, 4 axes", np.float64, (17, 17, 2, 2)),
    ]
    section = Section(
        "ranks",
        "Ranks and dtypes",
        "Input: ordinary numbers in 17 samples of 17 channels; size 5. Worst relative error, or that the input is "
        "refused, which is not wrong.",
        tuple(label for label, _, _ in kinds),
    )
    for name in _TYPED:
        if name in IMPLEMENTATIONS:
            one = IMPLEMENTATIONS[name]
            found = [_accepted(one, _ordinary(shape).astype(kind), SPEC, WRONG) for _, kind, shape in kinds]
            section.add(name, [cell for cell, _ in found], wrong=any(wrong for _, wrong in found))
    return section


CHECKS = (ordinary, bias, spike, deep, overflow, nan, half, even, ranks)
