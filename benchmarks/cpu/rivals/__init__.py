"""Everyone who is timed: localnorm's own doors, the rivals, and the two measures that all are compared with.

Each rival runs at its best: compiled where it can be, in a layout that it likes, on as many threads as the others,
with its inputs prepared before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec

from benchmarks.cpu.case import BOTH, FORWARD, Case, Given, Ready

OURS, RIVAL, MEASURE = "ours", "rival", "measure"
FRESH, THERE = "fresh", "already there"
_DTYPES = ("float32", "float16", "bfloat16")
_LAYOUTS = ("NCHW", "NHWC")


@dataclass(frozen=True)
class Rival:
    """One contestant.

    Attributes:
        name: what the tables call it.
        function: in which module of this package which function prepares it.
        role: OURS, RIVAL or MEASURE.
        output: FRESH or THERE: whether each call makes the memory of its output.
        module: what has to be installed.
        layouts: that it takes.
        dtypes: that it takes.
        measures: FORWARD, BOTH or both.
    """

    name: str
    function: str
    role: str = RIVAL
    output: str = FRESH
    module: str = "torch"
    layouts: tuple[str, ...] = _LAYOUTS
    dtypes: tuple[str, ...] = ("float32",)
    measures: tuple[str, ...] = (FORWARD, BOTH)

    def takes(self, case: Case) -> bool:
        """Whether it can run the case and is installed."""
        able = case.layout in self.layouts and case.dtype in self.dtypes and case.measure in self.measures
        return able and find_spec(self.module) is not None

    def prepare(self, case: Case, numbers: Given) -> Ready:
        """Return what is to be timed; a framework is imported here and not before."""
        module, function = self.function.split(".")
        prepare: Callable[[Case, Given], Ready] = getattr(import_module(f"{__name__}.{module}"), function)
        return prepare(case, numbers)


COPY = Rival("copy", "torch.copy", MEASURE, THERE, dtypes=_DTYPES, measures=(FORWARD,))
RELU = Rival("relu", "torch.relu", MEASURE, dtypes=_DTYPES)
OURS_FRESH = Rival("localnorm", "ours.fresh", OURS, dtypes=_DTYPES)
OURS_IN_PLACE = Rival("localnorm in place", "ours.in_place", OURS, THERE, dtypes=_DTYPES, measures=(FORWARD,))
OURS_NUMPY = Rival("localnorm NumPy, out=", "ours.numpy_out", OURS, THERE, dtypes=_DTYPES, measures=(FORWARD,))
EAGER = Rival("torch eager", "torch.eager")
COMPILED_OWN = Rival("torch.compile, its own", "torch.compiled_own")
COMPILED_SLICES = Rival("torch.compile, slices", "torch.compiled_slices", dtypes=_DTYPES)
COMPILED_NO_POW = Rival("torch.compile, slices without pow", "torch.compiled_slices_without_pow", dtypes=_DTYPES)
JAX = Rival("JAX, slices", "jax.slices", module="jax", dtypes=_DTYPES)
TENSORFLOW = tuple(
    Rival(
        f"TensorFlow {call}", f"tensorflow.{call.lower()}", module="tensorflow", layouts=("NHWC",), dtypes=dtypes
    )
    for call, dtypes in (("eager", _DTYPES[:2]), ("function", _DTYPES[:2]), ("XLA", _DTYPES[:1]))
)
ONNXRUNTIME = Rival(
    "onnxruntime", "onnxruntime.bound", RIVAL, THERE, "onnxruntime", ("NCHW",), _DTYPES[:2], (FORWARD,)
)
OPENVINO = Rival("OpenVINO", "openvino.shared", RIVAL, THERE, "openvino", ("NCHW",), _DTYPES, (FORWARD,))
OPENCV = Rival("OpenCV", "opencv.layer", RIVAL, THERE, "cv2", ("NCHW",), measures=(FORWARD,))

MEASURES = (COPY, RELU)
OUR_DOORS = (OURS_FRESH, OURS_IN_PLACE, OURS_NUMPY)
COMPILED = (COMPILED_OWN, COMPILED_SLICES, COMPILED_NO_POW)
PLAIN = (EAGER, JAX, *TENSORFLOW, ONNXRUNTIME, OPENVINO, OPENCV)
"""Rivals that are ready at once; torch.compile takes seconds for each case."""
ALL = (*MEASURES, *OUR_DOORS, *PLAIN, *COMPILED)
