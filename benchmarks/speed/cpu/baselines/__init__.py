"""The implementations that are timed: localnorm's APIs, the baselines, and two controls (a copy and a relu).

Each runs at its best: compiled if possible, in a layout that it likes, with its inputs prepared beforehand, and on
the same number of threads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec

from benchmarks.speed.cpu.case import BACKWARD, BOTH, FORWARD, Case, CaseData, Ready

OURS, BASELINE, CONTROL = "ours", "implementation", "measure"
FRESH, THERE = "fresh", "already there"
_DTYPES = ("float32", "float16", "bfloat16")
_LAYOUTS = ("NCHW", "NHWC")


@dataclass(frozen=True)
class Implementation:
    """One implementation of LRN, or a control.

    Attributes:
        name: its name in results and tables.
        function: module of this package and its function that prepares the implementation.
        role: OURS, BASELINE or CONTROL.
        output: FRESH if each call allocates its output, THERE if it writes to existing memory.
        module: the module that has to be installed.
        layouts: supported layouts.
        dtypes: supported dtypes.
        measures: of FORWARD, BOTH and BACKWARD those that it has.
    """

    name: str
    function: str
    role: str = BASELINE
    output: str = FRESH
    module: str = "torch"
    layouts: tuple[str, ...] = _LAYOUTS
    dtypes: tuple[str, ...] = ("float32",)
    measures: tuple[str, ...] = (FORWARD, BOTH)

    def supports(self, case: Case) -> bool:
        """Whether it is installed and can run the case."""
        supported = case.layout in self.layouts and case.dtype in self.dtypes and case.measure in self.measures
        return supported and find_spec(self.module) is not None

    def prepare(self, case: Case, data: CaseData) -> Ready:
        """Return the timed call; imports the framework."""
        module, function = self.function.split(".")
        prepare: Callable[[Case, CaseData], Ready] = getattr(import_module(f"{__name__}.{module}"), function)
        return prepare(case, data)


COPY = Implementation("copy", "torch.copy", CONTROL, THERE, dtypes=_DTYPES, measures=(FORWARD,))
RELU = Implementation("relu", "torch.relu", CONTROL, dtypes=_DTYPES)
OURS_FRESH = Implementation("localnorm", "ours.fresh", OURS, dtypes=_DTYPES)
OURS_IN_PLACE = Implementation(
    "localnorm in place", "ours.in_place", OURS, THERE, dtypes=_DTYPES, measures=(FORWARD,)
)
OURS_NUMPY = Implementation(
    "localnorm NumPy, out=", "ours.numpy_out", OURS, THERE, dtypes=_DTYPES, measures=(FORWARD,)
)
OURS_JAX = Implementation("localnorm JAX", "jax.ours", OURS, module="jax", dtypes=_DTYPES)
OURS_BACKWARD = Implementation(
    "localnorm kernel, backward", "ours.kernel_backward", OURS, THERE, dtypes=_DTYPES, measures=(BACKWARD,)
)
EAGER = Implementation("torch eager", "torch.eager")
COMPILED_EAGER = Implementation(
    "torch.compile of torch.nn.functional.local_response_norm", "torch.compiled_torch_lrn"
)
COMPILED_SLICES = Implementation(
    "torch.compile of the formula with slices", "torch.compiled_slices", dtypes=_DTYPES
)
COMPILED_NO_POW = Implementation(
    "torch.compile of the formula with slices, without pow", "torch.compiled_slices_without_pow", dtypes=_DTYPES
)
JAX = Implementation("JAX, the formula with slices", "jax.slices", module="jax", dtypes=_DTYPES)
TENSORFLOW = tuple(
    Implementation(
        f"TensorFlow {call}", f"tensorflow.{call.lower()}", module="tensorflow", layouts=("NHWC",), dtypes=dtypes
    )
    for call, dtypes in (("eager", _DTYPES[:2]), ("function", _DTYPES[:2]), ("XLA", _DTYPES[:1]))
)
ONNXRUNTIME = Implementation(
    "onnxruntime", "onnxruntime.bound", BASELINE, THERE, "onnxruntime", ("NCHW",), _DTYPES[:2], (FORWARD,)
)
OPENVINO = Implementation(
    "OpenVINO", "openvino.shared", BASELINE, THERE, "openvino", ("NCHW",), _DTYPES, (FORWARD,)
)
OPENCV = Implementation("OpenCV", "opencv.layer", BASELINE, THERE, "cv2", ("NCHW",), measures=(FORWARD,))

CONTROLS = (COPY, RELU)
OUR_APIS = (OURS_FRESH, OURS_IN_PLACE, OURS_NUMPY, OURS_JAX)
COMPILED = (COMPILED_EAGER, COMPILED_SLICES, COMPILED_NO_POW)
PLAIN = (EAGER, JAX, *TENSORFLOW, ONNXRUNTIME, OPENVINO, OPENCV)
"""Baselines that need no compilation; torch.compile takes seconds for each case."""
ALL = (*CONTROLS, *OUR_APIS, OURS_BACKWARD, *PLAIN, *COMPILED)
