"""Named inputs that break released implementations of LRN, or obvious ways to write one.

`why` names a release only if its failure was found in its source or measured.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from conformance import DTYPES, HALVES, Array
from localnorm import LRNSpec


@dataclass(frozen=True)
class EdgeCase:
    """One input, built by `x`, and why it matters."""

    name: str
    why: str
    x: Callable[[], Array]
    spec: LRNSpec = LRNSpec(2, 2, 1.0, 0.75, 1.0)  # noqa: RUF009  frozen
    dtypes: tuple[str, ...] = DTYPES
    axis: int = 1
    layout: str = "contiguous"

    def grad(self) -> Array:
        """Return a gradient of the output."""
        return np.random.default_rng(1).normal(size=self.x().shape)


def _normal(*shape: int, scale: float = 1.0) -> Callable[[], Array]:
    return lambda: scale * np.random.default_rng(0).normal(size=shape)


def _full(value: float, *shape: int) -> Callable[[], Array]:
    return lambda: np.full(shape, value)


def _powers(*exponents: int) -> Callable[[], Array]:
    """One row of powers of ten."""
    return lambda: 10.0 ** np.array([exponents], float)


def _spike(value: float, *shape: int) -> Callable[[], Array]:
    """Values from 1 to 2, and the spike in channel 5 of the first column."""

    def build() -> Array:
        x = np.random.default_rng(0).uniform(1, 2, size=shape)
        x[(0, 5, *(0,) * (len(shape) - 2))] = value
        return x

    return build


def _signs(*shape: int) -> Callable[[], Array]:
    return lambda: np.where(np.arange(np.prod(shape)).reshape(shape) % 2, -3.0, 3.0)


def _symmetric(radius: int, alpha: float = 1.0, beta: float = 0.75, k: float = 1.0) -> LRNSpec:
    return LRNSpec(radius, radius, alpha, beta, k)


_FP16, _FP64 = ("float16",), ("float64",)
_WIDE_RANGE = ("bfloat16", "float32", "float64")  # exponents of 8 bits and more
_NCHW, _NCDHW = _normal(2, 7, 3, 4), _normal(2, 7, 3, 4, 5)
_NCL = _normal(2, 9, 3)

_EVEN_LOW = (
    "The extra channel is below as in torch; generic ncnn sums one channel more, reference oneDNN one less."
)
_EVEN_HIGH = "The extra channel is above as in ONNX and cuDNN; in torch it is below."
_RADIUS = "OpenVINO's TensorFlow frontend reads an odd radius r as size 2(r-1)+1."
_BATCH = "ReferenceEvaluator of onnx 1.23.2 loops over the batch axis instead of the channel axis."
_SPIKE = "The running sums of onnxruntime and OpenCV lose the channels whose window excludes the spike."

_WINDOWS = (
    *(EdgeCase(f"odd-radius-{r}", _RADIUS, _normal(2, 12, 3), _symmetric(r, 0.5)) for r in (1, 3, 5)),
    *(EdgeCase(f"even-window-low-{n}", _EVEN_LOW, _NCHW, LRNSpec.from_torch(n, alpha=1.0)) for n in (2, 4)),
    *(EdgeCase(f"even-window-high-{n}", _EVEN_HIGH, _NCHW, LRNSpec.from_onnx(n, alpha=1.0)) for n in (2, 4)),
    EdgeCase(
        "window-leaves-channel-0",
        "torch.nn.CrossMapLRN2d never takes channel 0 out of its running sum: of 12 channels, 9 are wrong.",
        _normal(2, 12, 3, 4),
        LRNSpec.from_torch(5, alpha=0.5),
    ),
    EdgeCase("fewer-images-than-channels", _BATCH, _normal(2, 7, 3, 4)),
    EdgeCase("more-images-than-channels", _BATCH, _normal(9, 4, 3, 2)),
    EdgeCase(
        "last-channel-of-window", "TFLite's reference kernel sums [c-r, c+r-1] and drops c+r.", _powers(0, 1, 2, 3)
    ),
    EdgeCase(
        "window-wider-than-channels",
        "Nothing may be read outside the borders.",
        _normal(3, 4, 2),
        LRNSpec(9, 7, 1.0, 0.75, 1.0),
    ),
    EdgeCase(
        "one-sided-window-beyond-channels",
        "The window has no channel below and reaches past every channel above.",
        _normal(3, 5, 2),
        LRNSpec(0, 40, 1.0, 0.75, 1.0),
    ),
    EdgeCase(
        "window-65-of-192",
        "Wide windows use another method of summation than narrow ones.",
        _normal(2, 192, 3),
        _symmetric(32, 0.05),
    ),
    EdgeCase(
        "every-channel-in-the-window",
        "PixelNorm is LRN with all channels in every window and k = 1e-8.",
        _normal(3, 16, 5),
        _symmetric(15, 1 / 16, 0.5, 1e-8),
    ),
)

_TORCH = "torch.nn.functional.local_response_norm"
_NO_HALF = f"{_TORCH} has no half precision on a CPU for this rank."
_SHAPES = (
    EdgeCase("half-rank-4", _NO_HALF, _NCHW, dtypes=HALVES),
    EdgeCase("half-rank-5", _NO_HALF, _NCDHW, dtypes=HALVES),
    EdgeCase(
        "rank-5-transposed", f"{_TORCH} calls view, which fails for this memory.", _NCDHW, layout="transposed"
    ),
    EdgeCase("rank-1", f"{_TORCH} has no unbatched form.", _normal(7), axis=0),
    EdgeCase("rank-2", f"{_TORCH} raises an error.", _normal(3, 7)),
    EdgeCase("empty-batch", "There is nothing to compute, but the shape must be kept.", _full(0.0, 0, 7, 3)),
    EdgeCase("no-channels", "There is nothing to compute, but the shape must be kept.", _full(0.0, 2, 0, 3)),
    EdgeCase("one-channel", "Both sides of the window are beyond the border.", _normal(3, 1, 4)),
)

_MAGNITUDES = (
    EdgeCase("spike-1e3", _SPIKE, _spike(1e3, 2, 12, 3)),
    EdgeCase("spike-1e4", _SPIKE, _spike(1e4, 2, 12, 3)),
    EdgeCase("spike-1e5", _SPIKE, _spike(1e5, 2, 12, 3), dtypes=_WIDE_RANGE),
    EdgeCase(
        "fp16-300",
        f"{_TORCH} returns 0, because the square overflows to infinity.",
        _full(300.0, 2, 7, 3),
        LRNSpec.from_torch(5),
        _FP16,
    ),
    EdgeCase(
        "fp16-300-channels-last",
        "TensorFlow returns NaN: infinity times the zeros of its band matrix.",
        _full(300.0, 2, 3, 3, 9),
        dtypes=_FP16,
        axis=-1,
    ),
    EdgeCase(
        "fp32-3e20-among-ones",
        "TensorFlow returns NaN in 9 of 12 channels: infinity times the zeros of its band matrix.",
        lambda: np.where(np.arange(12) == 5, 3e20, 1.0).reshape(1, 1, 1, 12),
        dtypes=_WIDE_RANGE,
        axis=-1,
    ),
    EdgeCase("nan", "A NaN reaches the windows that hold it and no others.", _spike(np.nan, 2, 12, 3)),
    EdgeCase(
        "infinity", "Its own channel is NaN, its neighbours 0, the rest untouched.", _spike(np.inf, 2, 12, 3)
    ),
    EdgeCase(
        "nan-wide-window",
        "Wide windows share partial sums, which must not spread a NaN.",
        _spike(np.nan, 2, 20, 3),
        LRNSpec(4, 3, 1.0, 0.75, 1.0),
    ),
    EdgeCase(
        "fp16-largest",
        "The largest finite number must not count as an overflow.",
        _full(65504.0, 2, 6),
        dtypes=_FP16,
    ),
    EdgeCase(
        "fp32-1e30",
        "Every square overflows float32.",
        _normal(2, 6, 3, scale=1e30),
        _symmetric(2, beta=0.5),
        _WIDE_RANGE,
    ),
    EdgeCase("fp64-1e200", "Every square overflows float64.", _normal(2, 6, 3, scale=1e200), dtypes=_FP64),
    EdgeCase(
        "fp64-1e200-in-one-column",
        "An overflow in one column must not affect the others.",
        _spike(1e200, 3, 8, 2),
        dtypes=_FP64,
    ),
    EdgeCase(
        "fp32-1e-25",
        "Every square underflows in float32.",
        _normal(2, 6, 3, scale=1e-25),
        _symmetric(2, k=0.0),
        _WIDE_RANGE,
    ),
    EdgeCase(
        "fp64-1e-200",
        "Every square underflows in float64.",
        _normal(2, 6, 3, scale=1e-200),
        _symmetric(2, k=0.0),
        _FP64,
    ),
    EdgeCase(
        "fp64-1e-200-beside-1",
        "Squares that underflow may be lost only if the window holds something larger.",
        _powers(-200, -201, -200, -199, 0, 0, -200, -200, -200),
        _symmetric(1, beta=0.5, k=0.0),
        _FP64,
    ),
    EdgeCase(
        "fp16-subnormal-outputs",
        "The result has fewer digits than the format.",
        _normal(2, 9, 5, scale=1e-2),
        _symmetric(2, beta=1.0, k=1e3),
    ),
)

_PARAMETERS = (
    EdgeCase("alpha-0", "The sum has no effect.", _NCL, _symmetric(2, 0.0, k=2.0)),
    EdgeCase("alpha-100", "The sum dominates k.", _NCL, _symmetric(2, 100.0)),
    EdgeCase("alpha-1e15", "A product with alpha overflows early.", _NCL, _symmetric(2, 1e15), _WIDE_RANGE),
    EdgeCase(
        "alpha-0-fp64-1e200",
        "A square that alpha = 0 removes from the sum must not overflow before.",
        _spike(1e200, 2, 12, 3),
        _symmetric(2, 0.0, k=2.0),
        _FP64,
    ),
    EdgeCase(
        "alpha-0-fp64-1e153",
        "The second term of the gradient, which alpha = 0 removes, overflows.",
        _spike(1e153, 2, 12, 3),
        _symmetric(2, 0.0, k=1e-5),
        _FP64,
    ),
    EdgeCase("k-1e-5", "The smallest k that cuDNN accepts.", _NCL, _symmetric(1, 1e-4, k=1e-5)),
    EdgeCase("beta-2", "A large sum meets a large power.", _normal(2, 9, 3, scale=10.0), _symmetric(3, 2.0, 2.0)),
    EdgeCase("beta-0", "The output is the input.", _NCL, _symmetric(2, beta=0.0)),
    EdgeCase("alternating-signs", "Squares are summed, not values.", _signs(2, 9, 3)),
)

EDGE_CASES = _WINDOWS + _SHAPES + _MAGNITUDES + _PARAMETERS
