"""Inputs that break released implementations of LRN, by name, and inputs that break obvious ways to write one.

`why` names a release only where its failure was read in its source or measured.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from contract import DTYPES, HALVES, Array
from localnorm import LRNSpec


@dataclass(frozen=True)
class Hazard:
    """One dangerous input; `x` builds it."""

    name: str
    why: str
    spec: LRNSpec
    x: Callable[[], Array]
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


def _spike(value: float, *shape: int) -> Callable[[], Array]:
    """Values of about 1 to 2, and the spike in channel 5 of the first column."""

    def build() -> Array:
        x = np.random.default_rng(0).uniform(1, 2, size=shape)
        x[(0, 5, *(0,) * (len(shape) - 2))] = value
        return x

    return build


def _signs(*shape: int) -> Callable[[], Array]:
    return lambda: np.where(np.arange(np.prod(shape)).reshape(shape) % 2, -3.0, 3.0)


_SINGLES = ("bfloat16", "float32", "float64")  # the dtypes with an exponent of 8 bits or more
_NCHW, _NCDHW = (2, 7, 3, 4), (2, 7, 3, 4, 5)
_STRONG = LRNSpec(2, 2, 1.0, 0.75, 1.0)
_HALF = LRNSpec(1, 1, 0.5, 0.5, 1.0)

_WINDOWS = (
    Hazard(
        "window-leaves-channel-0",
        "torch.nn.CrossMapLRN2d never takes channel 0 out of its running sum: with 12 channels wrong from 3 on.",
        LRNSpec.from_torch(5, alpha=0.5),
        _normal(2, 12, 3, 4),
    ),
    Hazard(
        "fewer-images-than-channels",
        "onnx 1.23.2's ReferenceEvaluator loops over the batch axis: channels beyond its length get no sum.",
        LRNSpec.from_onnx(5, alpha=0.5),
        _normal(2, 7, 3, 4),
    ),
    Hazard(
        "more-images-than-channels",
        "onnx 1.23.2's ReferenceEvaluator loops over the batch axis, here longer than the channel axis.",
        LRNSpec.from_onnx(5, alpha=0.5),
        _normal(9, 4, 3, 2),
    ),
    Hazard(
        "last-channel-of-window",
        "TFLite's reference kernel sums [c-r, c+r-1] and drops c+r.",
        LRNSpec.from_tensorflow(2, alpha=0.5),
        lambda: np.array([[1.0, 2.0, 4.0, 8.0, 16.0, 32.0]]),
    ),
    *(
        Hazard(
            f"odd-radius-{radius}",
            "OpenVINO's TensorFlow frontend reads an odd radius r as size 2(r-1)+1.",
            LRNSpec.from_tensorflow(radius, alpha=0.5),
            _normal(2, 12, 3),
        )
        for radius in (1, 3, 5)
    ),
    *(
        Hazard(
            f"even-window-low-{size}",
            "The extra channel is below, as in torch; the generic ncnn is one channel wide, oneDNN's short.",
            LRNSpec.from_torch(size, alpha=1.0),
            _normal(2, 9, 3, 4),
        )
        for size in (2, 4)
    ),
    *(
        Hazard(
            f"even-window-high-{size}",
            "The extra channel is above, as in ONNX and cuDNN; torch's is below.",
            LRNSpec.from_onnx(size, alpha=1.0),
            _normal(2, 9, 3, 4),
        )
        for size in (2, 4)
    ),
    Hazard(
        "window-wider-than-channels",
        "Nothing may be read beyond the borders.",
        LRNSpec(9, 7, 1.0, 0.75, 1.0),
        _normal(3, 4, 2),
    ),
    Hazard(
        "one-sided-window-beyond-channels",
        "A window that reaches past every channel on one side has no channel there at all.",
        LRNSpec(0, 40, 1.0, 0.75, 1.0),
        _normal(3, 5, 2),
    ),
    Hazard(
        "window-65-of-192",
        "Wide windows are summed another way than narrow ones.",
        LRNSpec.from_torch(65, alpha=2.0),
        _normal(2, 192, 3),
    ),
    Hazard(
        "every-channel-in-the-window",
        "PixelNorm: the window holds all channels of every position and k is 1e-8.",
        LRNSpec(15, 15, 1 / 16, 0.5, 1e-8),
        _normal(3, 16, 5),
    ),
)

_SHAPES = (
    *(
        Hazard(
            f"half-rank-{rank}",
            "torch.nn.functional.local_response_norm has no half precision on a CPU for this rank.",
            _STRONG,
            _normal(*shape),
            HALVES,
        )
        for rank, shape in ((4, _NCHW), (5, _NCDHW))
    ),
    Hazard(
        "rank-5-transposed",
        "torch.nn.functional.local_response_norm calls view, which refuses this memory.",
        _STRONG,
        _normal(*_NCDHW),
        layout="transposed",
    ),
    Hazard(
        "rank-1", "torch.nn.functional.local_response_norm has no unbatched form.", _STRONG, _normal(7), axis=0
    ),
    Hazard("rank-2", "torch.nn.functional.local_response_norm refuses it.", _STRONG, _normal(3, 7)),
    Hazard("empty-batch", "There is nothing to compute, and a shape to keep.", _STRONG, _full(0.0, 0, 7, 3)),
    Hazard("no-channels", "There is nothing to compute, and a shape to keep.", _STRONG, _full(0.0, 2, 0, 3)),
    Hazard("one-channel", "Both sides of the window are beyond the border.", _STRONG, _normal(3, 1, 4)),
)

_MAGNITUDES = (
    *(
        Hazard(
            f"spike-{value:.0e}",
            "The running sums of onnxruntime and OpenCV lose the channels whose window excludes the spike.",
            _STRONG,
            _spike(value, 2, 12, 3),
            DTYPES if value < 65504 else _SINGLES,
        )
        for value in (1e3, 1e4, 1e5)
    ),
    Hazard(
        "fp16-300",
        "torch.nn.functional.local_response_norm returns 0: the square overflows to infinity.",
        LRNSpec.from_torch(5, alpha=1e-4),
        _full(300.0, 2, 7, 3),
        ("float16",),
    ),
    Hazard(
        "all-300-fp16",
        "TensorFlow returns NaN everywhere: infinity times the zeros of its band matrix.",
        LRNSpec.from_tensorflow(2),
        _full(300.0, 2, 3, 3, 9),
        ("float16",),
        axis=-1,
    ),
    Hazard(
        "fp32-3e20-among-ones",
        "TensorFlow returns NaN in 9 of 12 channels: infinity times the zeros of its band matrix.",
        LRNSpec.from_tensorflow(1),
        lambda: np.where(np.arange(12) == 5, 3e20, 1.0).reshape(1, 1, 1, 12),
        _SINGLES,
        axis=-1,
    ),
    Hazard("nan", "A NaN reaches the windows that hold it and no others.", _STRONG, _spike(np.nan, 2, 12, 3)),
    Hazard(
        "infinity",
        "Its own channel is NaN, its neighbours 0, the rest untouched.",
        _STRONG,
        _spike(np.inf, 2, 12, 3),
    ),
    Hazard(
        "nan-wide-window",
        "Wide windows are built from partial sums, which must carry a NaN no further.",
        LRNSpec(4, 3, 1.0, 0.75, 1.0),
        _spike(np.nan, 2, 20, 3),
    ),
    Hazard("fp16-largest", "The largest finite number.", _HALF, _full(65504.0, 2, 6), ("float16",)),
    Hazard("fp32-1e30", "Every square overflows float32.", _HALF, _normal(2, 6, 3, scale=1e30), _SINGLES),
    Hazard(
        "fp64-1e200",
        "Every square overflows float64.",
        LRNSpec(2, 2, 0.5, 0.75, 1.0),
        _normal(2, 6, 3, scale=1e200),
        ("float64",),
    ),
    Hazard(
        "fp64-1e200-in-one-column",
        "One square overflows float64 and the other columns must not notice.",
        _STRONG,
        _spike(1e200, 3, 8, 2),
        ("float64",),
    ),
    Hazard(
        "fp32-1e-25",
        "Every square vanishes in float32.",
        LRNSpec(2, 2, 1.0, 0.75, 0.0),
        _normal(2, 6, 3, scale=1e-25),
        _SINGLES,
    ),
    Hazard(
        "fp64-1e-200",
        "Every square vanishes in float64.",
        LRNSpec(2, 2, 1.0, 0.75, 0.0),
        _normal(2, 6, 3, scale=1e-200),
        ("float64",),
    ),
    Hazard(
        "fp64-1e-200-beside-1",
        "Squares that vanish are lost only where their window holds nothing larger.",
        LRNSpec(1, 1, 1.0, 0.5, 0.0),
        lambda: 10.0 ** np.array([[-200.0, -201, -200, -199, 0, 0, -200, -200, -200]]),
        ("float64",),
    ),
    Hazard(
        "fp16-subnormal-outputs",
        "The result has fewer digits than the format.",
        LRNSpec(2, 2, 1.0, 1.0, 1e3),
        _normal(2, 9, 5, scale=1e-2),
    ),
)

_PARAMETERS = (
    Hazard("alpha-0", "The sum counts for nothing.", LRNSpec(2, 2, 0.0, 0.75, 2.0), _normal(2, 9, 3)),
    Hazard("alpha-100", "The sum counts for everything.", LRNSpec(2, 2, 100.0, 0.75, 1.0), _normal(2, 9, 3)),
    Hazard(
        "alpha-1e15",
        "A product of alpha and squares overflows early.",
        LRNSpec(2, 2, 1e15, 0.75, 1.0),
        _normal(2, 9, 3),
        _SINGLES,
    ),
    Hazard(
        "alpha-0-fp64-1e200",
        "What alpha takes out of the sum must not overflow on its way there.",
        LRNSpec(2, 2, 0.0, 0.75, 2.0),
        _spike(1e200, 2, 12, 3),
        ("float64",),
    ),
    Hazard(
        "k-1e-5",
        "The smallest k that cuDNN takes; some windows hold little else.",
        LRNSpec(1, 1, 1e-4, 0.75, 1e-5),
        _normal(2, 9, 3),
    ),
    Hazard("beta-2", "A large sum to a large power.", LRNSpec(3, 3, 2.0, 2.0, 1.0), _normal(2, 9, 3, scale=10.0)),
    Hazard("beta-0", "The output is the input.", LRNSpec(2, 2, 1.0, 0.0, 1.0), _normal(2, 9, 3)),
    Hazard(
        "alternating-signs",
        "Squares and not values are summed; the gradient's terms cancel.",
        _STRONG,
        _signs(2, 9, 3),
    ),
)

HAZARDS = _WINDOWS + _SHAPES + _MAGNITUDES + _PARAMETERS
