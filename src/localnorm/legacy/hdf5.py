"""The configuration of a Keras model in an HDF5 file, read without Keras."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from localnorm.errors import MissingExtraError, ModelFileError
from localnorm.legacy.archive import parsed


class Hdf5Model(NamedTuple):
    """What a file says of its model.

    Attributes:
        config: the model's configuration, None in a file of weights.
        version: of the Keras that wrote it, "?" if it doesn't say.
        backend: of that Keras, empty if it doesn't say, as Keras 1.
        weights: names of the weights.
    """

    config: Any
    version: str
    backend: str
    weights: list[str]


def read_hdf5(path: Path) -> Hdf5Model:
    """Return a model's configuration.

    Raises:
        ModelFileError: a file that is damaged or not HDF5, or whose configuration is no JSON (a ValueError).
        MissingExtraError: h5py is not installed (an ImportError).

    Example:
        >>> read_hdf5(Path(getfixture("tmp_path") / "absent.h5"))
        Traceback (most recent call last):
        ...
        localnorm.errors.ModelFileError: absent.h5 must be a readable HDF5 file, got [Errno 2] ...
    """
    try:
        import h5py
    except ImportError as problem:
        raise MissingExtraError(
            "reading an HDF5 file needs h5py, which is not installed; install it with: pip install h5py"
        ) from problem
    try:
        with h5py.File(path, "r") as file:
            texts = {name: _text(file.attrs.get(name)) for name in ("model_config", "keras_version", "backend")}
            weights: list[str] = []
            file.visititems(lambda name, item: weights.append(name) if isinstance(item, h5py.Dataset) else None)
    except (OSError, RuntimeError, KeyError, UnicodeDecodeError) as problem:
        reason = " ".join(str(problem).split()).partition(", errno")[0]
        raise ModelFileError(
            f"{path.name} must be a readable HDF5 file, got {reason}; copy or download it again."
        ) from None
    config = texts["model_config"]
    return Hdf5Model(
        None if config is None else parsed(config, f"model_config in {path.name}"),
        texts["keras_version"] or "?",
        texts["backend"] or "",
        weights,
    )


def _text(value: object) -> str | None:
    return value.decode() if isinstance(value, bytes) else None if value is None else str(value)
