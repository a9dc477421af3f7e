"""Copies of old Keras files with the configuration that Keras 3 needs; weights are copied as they are."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

from localnorm.errors import ModelFileError
from localnorm.legacy.archive import opened, read_json
from localnorm.legacy.hdf5 import read_hdf5
from localnorm.legacy.keras_config import as_layer, dicts


def with_input_layers(path: Path, folder: Path) -> tuple[Path, Any]:
    """Return a copy of an HDF5 file whose Sequential models start with an input layer, or the file if all do.

    Also returns the configuration.

    Early releases of Keras 2 kept a Sequential model as a list of layers, and none as late as 2.2.4 kept an input
    layer: its shape was that of the first layer. Keras 3 loads neither.

    Args:
        path: the file.
        folder: where to write the copy.

    Raises:
        ModelFileError: a damaged file, or a model of Keras 1 (a ValueError).
        MissingExtraError: h5py is not installed (an ImportError).
    """
    file = read_hdf5(path)
    if file.version.startswith("1."):
        raise ModelFileError(
            f"{path.name} must be a model of Keras 2 or later, got one of Keras {file.version}, whose layers have "
            "other arguments; load and save it by Keras 2 first."
        )
    changed = [_add_input(value) for value in dicts(file.config) if value.get("class_name") == "Sequential"]
    if not any(changed):
        return path, file.config
    import h5py

    copy = Path(shutil.copy(path, folder / "model.h5"))
    with h5py.File(copy, "r+") as target:
        target.attrs["model_config"] = json.dumps(file.config)
    return copy, file.config


def _add_input(model: dict[str, Any]) -> bool:
    """Add what a Sequential model's configuration lacks; return whether it lacked anything."""
    config = model.get("config")
    old = isinstance(config, list)
    if old:
        config = model["config"] = {"name": "sequential", "layers": config}
    layers = config.get("layers") if isinstance(config, dict) else None
    first = layers[0] if isinstance(layers, list) and layers else None
    inner = first.get("config") if isinstance(first, dict) and first.get("class_name") != "InputLayer" else None
    if not isinstance(layers, list) or not isinstance(inner, dict) or "batch_input_shape" not in inner:
        return old
    shape = {"batch_input_shape": inner.pop("batch_input_shape"), "name": f"{inner.get('name', 'first')}_input"}
    layers.insert(0, {"class_name": "InputLayer", "config": shape})
    return True


def with_registered_lambdas(path: Path, folder: Path, named: set[str], registered: str) -> tuple[Path, Any]:
    """Return a copy of a ``.keras`` file in which Lambdas have a registered name, so that custom objects apply.

    Also returns the configuration.

    Args:
        path: the file.
        folder: where to write the copy.
        named: names of Lambdas to treat so, or "Lambda" for all, beside those that call tf.nn.lrn.
        registered: the registered name.

    Raises:
        ModelFileError: a damaged archive, or one that expands beyond measure (a ValueError).
    """
    copy = folder / "model.keras"
    with opened(path) as archive, zipfile.ZipFile(copy, "w") as target:
        if "config.json" not in archive.namelist():
            raise ModelFileError(f"{path.name} must hold config.json, got {archive.namelist()}; save it by Keras.")
        config = read_json(archive, "config.json", path.name)
        for value in dicts(config):
            inner = value.get("config")
            if str(value.get("module")).endswith(".engine.functional"):  # where Keras 2 kept the class
                value.update(module="keras", class_name="Model", registered_name=None)
            elif value.get("class_name") != "Lambda" or not isinstance(inner, dict):
                continue
            elif {"Lambda", inner.get("name")} & named or as_layer("Lambda", inner):
                value["registered_name"] = registered
        target.writestr("config.json", json.dumps(config))
        for member in archive.namelist():
            if member != "config.json" and not member.endswith("/"):
                with archive.open(member) as source, target.open(member, "w", force_zip64=True) as stream:
                    shutil.copyfileobj(source, stream)
    return copy, config
