"""LRN-like and GDN layers of Keras files, HDF5 and ``.keras``, from their JSON alone."""

from __future__ import annotations

from pathlib import Path

from localnorm.errors import LocalnormError, ModelFileError
from localnorm.inspection.layer import Inspected, NormLayer, shown
from localnorm.legacy.archive import opened, read_json
from localnorm.legacy.hdf5 import read_hdf5
from localnorm.legacy.keras_config import OldLayer, old_model

_LOAD = (
    "load it by localnorm.keras.load_legacy_model(FILE, lrn=...), naming the reading of the code that made it",
)
_FIRST = {True: "channels first", False: "channels last", None: "order of channels unknown"}


def inspect_hdf5(path: Path) -> Inspected:
    """Return the layers of a model that ``model.save`` wrote as HDF5.

    Raises:
        ModelFileError: damaged, or HDF5 without a model (a ValueError).
        MissingExtraError: h5py is not installed (an ImportError).
    """
    file = read_hdf5(path)
    if file.config is None:
        raise ModelFileError(
            f"{path.name} must hold a Keras model, got HDF5 with {len(file.weights)} arrays and no model_config: "
            "weights alone say nothing of LRN; inspect the model, or the code that builds it."
        )
    backend = f", written on {file.backend}" if file.backend else ""
    return inspect_config(file.config, f"Keras {file.version} model in HDF5{backend}")


def inspect_keras(path: Path) -> Inspected:
    """Return the layers of a ``.keras`` file.

    Raises:
        ModelFileError: damaged, or an archive that expands beyond measure (a ValueError).
    """
    with opened(path) as archive:
        config = read_json(archive, "config.json", path.name)
        version = "?"
        if "metadata.json" in archive.namelist():
            metadata = read_json(archive, "metadata.json", path.name)
            version = metadata.get("keras_version", "?") if isinstance(metadata, dict) else "?"
    return inspect_config(config, f"Keras {version} model in a zip archive")


def inspect_config(config: object, what: str) -> Inspected:
    """Return the layers of a configuration that was read already.

    Example:
        >>> layer = {"class_name": "LRN", "config": {"name": "norm1", "n": 5, "alpha": 1, "beta": 0.5, "k": 1}}
        >>> inspected = inspect_config({"class_name": "Sequential", "config": {"layers": [layer]}}, "a model")
        >>> [(layer.shown, len(layer.readings)) for layer in inspected.layers]
        [('LRN(n=5, alpha=1, beta=0.5, k=1)', 8)]
    """
    model = old_model(config)
    layers = tuple(_layer(layer, model.channels_first is not False) for layer in model.layers)
    ambiguous = any(
        len(layer.readings) != 1 and not old.is_gdn for layer, old in zip(layers, model.layers, strict=True)
    )
    return Inspected(f"{what}, {_FIRST[model.channels_first]}", layers, model.total, _LOAD if ambiguous else ())


def _layer(layer: OldLayer, channels_first: bool) -> NormLayer:
    if layer.is_gdn:
        remark = "generalized divisive normalization; beta and gamma are among the model's weights"
        return NormLayer(layer.name, shown(layer.class_name, layer.values), (), (remark,), channels_first)
    if layer.call:
        text = "code that is not understood" if layer.call.arguments is None else ""
        text = text or shown("tf.nn.lrn", layer.call.arguments or {})
        head = f"Lambda: {text}"
    else:
        head = shown(layer.class_name, layer.values)
    try:
        readings = layer.readings()
    except LocalnormError as problem:
        return NormLayer(layer.name, head, (), (f"can't be read: {problem}",), channels_first)
    remarks = () if readings else ("mentions LRN; its bytecode is not run, so name its meaning when loading",)
    return NormLayer(layer.name, head, readings, remarks, channels_first)
