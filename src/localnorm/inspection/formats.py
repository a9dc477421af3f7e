"""The kind of a model file, by its first bytes and its members, and the reader for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from localnorm.errors import ModelFileError
from localnorm.inspection.exported_program import inspect_exported_program, is_exported_program
from localnorm.inspection.keras_model import inspect_hdf5, inspect_keras
from localnorm.inspection.layer import Inspected
from localnorm.inspection.onnx_model import inspect_onnx
from localnorm.inspection.torch_state import inspect_torch_state
from localnorm.legacy.archive import opened

_HDF5, _ZIP, _PICKLE = b"\x89HDF\r\n\x1a\n", b"PK", b"\x80"
_KINDS = "a Keras model (.h5, .keras), an ONNX model, a .pt2 program or a torch state"
_STATES = (".pt", ".pth", ".ckpt", ".bin", ".tar")


def inspect_file(path: str | Path) -> Inspected:
    """Return the LRN-like and GDN layers of a model file. Nothing that the file holds is run.

    Args:
        path: a Keras model (``.h5``, ``.keras``), an ONNX model, a program of torch.export (``.pt2``), or a torch
            state. The kind is read from the contents; an ONNX model is known by its name, as it has no mark.

    Raises:
        ModelFileError: no such file, of no such kind, damaged, or expanding beyond measure (a ValueError).
        MissingExtraError: the package that reads this kind is not installed (an ImportError).

    Source: the formats of Keras 1 to 3, ONNX, torch.export and torch.save.

    Example:
        >>> inspect_file(".")
        Traceback (most recent call last):
        ...
        localnorm.errors.ModelFileError: FILE must be a file, got the folder .; name a model file in it.
    """
    file = Path(path)
    if file.is_dir():
        raise ModelFileError(f"FILE must be a file, got the folder {path}; name a model file in it.")
    try:
        with file.open("rb") as stream:
            start = stream.read(8)
    except OSError as problem:
        raise ModelFileError(f"FILE must be readable, got {path}: {problem.strerror}; check the path.") from None
    return _reader(file, start)(file)


def _reader(file: Path, start: bytes) -> Callable[[Path], Inspected]:
    suffix = file.suffix.lower()
    if start.startswith(_HDF5):
        return inspect_hdf5
    if start.startswith(_ZIP):
        return _of_archive(file)
    if suffix == ".onnx":
        return inspect_onnx
    if start.startswith(_PICKLE) and suffix in _STATES:
        return inspect_torch_state
    if suffix in (".h5", ".hdf5", ".keras", ".pt2", *_STATES):
        raise ModelFileError(
            f"{file.name} must be {_KINDS}, got other contents under that ending; copy or download it again."
        )
    raise ModelFileError(f"FILE must be {_KINDS}, got {file.name}, which is none of them; name a model file.")


def _of_archive(file: Path) -> Callable[[Path], Inspected]:
    with opened(file) as archive:
        names = archive.namelist()
    if "config.json" in names:
        return inspect_keras
    if is_exported_program(names):
        return inspect_exported_program
    if any(name.endswith("data.pkl") for name in names):
        if any("/code/" in name for name in names):
            raise ModelFileError(
                f"{file.name} must be {_KINDS}, got a TorchScript archive, whose code is not run; "
                "inspect the module that was scripted: package.module:function."
            )
        return inspect_torch_state
    raise ModelFileError(f"{file.name} must be {_KINDS}, got a zip archive of other files; name a model file.")
