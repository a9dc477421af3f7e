"""Every error that localnorm raises on purpose.

Each one is also a built-in error, so code that knows nothing of localnorm can catch it:

    LocalnormError
    ├── SpecError (ValueError)               a hyperparameter that defines no LRN
    ├── ConversionError (ValueError)         a framework can't express this LRN, or is not known
    ├── AxisError (ValueError, IndexError)   no such axis
    ├── DTypeError (TypeError)               integers, booleans, complex and quantized numbers
    ├── LayoutError (TypeError)              sparse, nested and MKL-DNN tensors
    ├── DeviceError (ValueError)             tensors on different devices
    ├── DerivativeError (ValueError)         a derivative that can't be had this way
    ├── InplaceError (ValueError)            an input that may not be overwritten
    ├── OutputError (ValueError)             an array that can't take the result
    ├── LearnableError (ValueError)          a value that can't be learned
    ├── ModelError (ValueError)              a model whose layers can't be swapped, or that fits no task
    ├── BackendError (ValueError)            a backend of Keras that has no door
    ├── MissingExtraError (ImportError)      an optional dependency is not installed
    └── LabError (ValueError)                a study that can't be run or read
        ├── UnknownNameError                 no norm, model or task of that name
        ├── StudyConflictError               the folder holds another study
        ├── RecordError                      a record is damaged or of another version
        ├── FolderError                      a study's folder can't be written to
        └── DataError                        data of the user's that can't be read

A message states the rule, the value received and what to do next.
"""

from __future__ import annotations


class LocalnormError(Exception):
    """Base class of every error raised by localnorm."""


class SpecError(LocalnormError, ValueError):
    """A hyperparameter that defines no local response normalization."""


class ConversionError(LocalnormError, ValueError):
    """The target framework can't express this normalization, or the framework is not known."""


class AxisError(LocalnormError, ValueError, IndexError):
    """An axis that the input does not have."""


class DTypeError(LocalnormError, TypeError):
    """An input whose dtype can't be normalized."""


class LayoutError(LocalnormError, TypeError):
    """An input whose elements do not lie in memory one by one, at strides."""


class DeviceError(LocalnormError, ValueError):
    """Tensors that are on different devices."""


class DerivativeError(LocalnormError, ValueError):
    """A derivative that can't be had this way."""


class InplaceError(LocalnormError, ValueError):
    """An input that may not be overwritten."""


class OutputError(LocalnormError, ValueError):
    """An array that can't take the result."""


class LearnableError(LocalnormError, ValueError):
    """A value that can't be learned."""


class ModelError(LocalnormError, ValueError):
    """A model whose layers can't be swapped, or that can't learn the task it is given."""


class BackendError(LocalnormError, ValueError):
    """A backend of Keras that has no door."""


class MissingExtraError(LocalnormError, ImportError):
    """An optional dependency is not installed."""


class LabError(LocalnormError, ValueError):
    """A study that can't be run or read."""


class UnknownNameError(LabError):
    """A norm, a model or a task that does not exist."""


class StudyConflictError(LabError):
    """The output folder holds another study."""


class RecordError(LabError):
    """A record that is damaged or was written by another record version."""


class FolderError(LabError):
    """A study's folder that can't be written to: the disk is full, or it is read-only."""


class DataError(LabError):
    """Data of the user's that is missing, damaged or not what its description says."""
