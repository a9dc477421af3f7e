"""Exceptions raised by localnorm.

Each is also a built-in exception, so that code without localnorm's names can catch it:

    LocalnormError
    ├── SpecError (ValueError)               a hyperparameter that defines no LRN
    ├── ConversionError (ValueError)         a framework is unknown or can't express this LRN
    ├── AxisError (ValueError, IndexError)   no such axis
    ├── DTypeError (TypeError)               integers, booleans, complex and quantized numbers
    ├── LayoutError (TypeError)              sparse, nested and MKL-DNN tensors
    ├── DeviceError (ValueError)             tensors on different devices
    ├── DerivativeError (ValueError)         a derivative that can't be computed this way
    ├── InplaceError (ValueError)            an input that may not be overwritten
    ├── OutputError (ValueError)             an array that can't take the result
    ├── LearnableError (ValueError)          a value that can't be learned
    ├── ModelError (ValueError)              a model whose layers can't be replaced, or that fits no task
    ├── BackendError (ValueError)            an unsupported Keras backend
    ├── ModelFileError (ValueError)          a file that can't be read as a model
    ├── MissingExtraError (ImportError)      an optional dependency is not installed
    └── LabError (ValueError)                a study that can't be run or read
        ├── UnknownNameError                 no norm, model or task of that name
        ├── StudyConflictError               the folder holds another study
        ├── RecordError                      a record is damaged or of another version
        ├── FolderError                      a study's folder can't be written to
        └── DataError                        user data that can't be read

A message states the rule, the value received and what to do next.
"""

from __future__ import annotations


class LocalnormError(Exception):
    """Base class of every error raised by localnorm."""


class SpecError(LocalnormError, ValueError):
    """A hyperparameter that defines no local response normalization."""


class ConversionError(LocalnormError, ValueError):
    """A framework that is unknown or can't express this normalization."""


class AxisError(LocalnormError, ValueError, IndexError):
    """An axis that the input does not have."""


class DTypeError(LocalnormError, TypeError):
    """An input whose dtype can't be normalized."""


class LayoutError(LocalnormError, TypeError):
    """An input that is not a strided dense array."""


class DeviceError(LocalnormError, ValueError):
    """Tensors that are on different devices."""


class DerivativeError(LocalnormError, ValueError):
    """A derivative that can't be computed this way."""


class InplaceError(LocalnormError, ValueError):
    """An input that may not be overwritten."""


class OutputError(LocalnormError, ValueError):
    """An array that can't take the result."""


class LearnableError(LocalnormError, ValueError):
    """A value that can't be learned."""


class ModelError(LocalnormError, ValueError):
    """A model whose layers can't be replaced, or that does not fit a task."""


class BackendError(LocalnormError, ValueError):
    """An unsupported Keras backend."""


class ModelFileError(LocalnormError, ValueError):
    """A file that is no model, is damaged, or holds what is not read without being asked for."""


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
    """A study's folder that can't be written to, e.g. because the disk is full."""


class DataError(LabError):
    """User data that is missing, damaged or not as described."""
