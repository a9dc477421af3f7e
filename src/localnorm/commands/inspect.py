"""localnorm inspect: list the LRN-like and GDN layers of a model, their readings, and how those differ."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from localnorm.commands.console import counted, errors_end_the_command, print_plain
from localnorm.errors import ModelError
from localnorm.inspection import Inspected, NormLayer, inspect_file
from localnorm.inspection.layer import SCALES
from localnorm.lab.plugins import current_folder_on_path, import_user_defined


def inspect(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE", help="A .h5, .keras, .onnx or .pt2 file, a torch state, or package.module:function."
        ),
    ],
) -> None:
    """List the LRN-like and GDN layers of a model file, how each can be read, and how far the readings differ.

    Nothing in a file is run. package.module:function is imported and called; it must return a torch.nn.Module or a
    Keras model, or be a module.
    """
    with errors_end_the_command(), current_folder_on_path():
        inspected = inspect_file(file) if ":" not in file or Path(file).exists() else _imported(file)
        print_plain("\n".join(_lines(file, inspected)))


def _imported(name: str) -> Inspected:
    """Return the layers of what a function returns."""
    from torch import nn

    from localnorm.inspection.keras_model import inspect_config
    from localnorm.inspection.torch_module import inspect_module, refuse

    model: Any = import_user_defined("model", name, ())
    if not isinstance(model, nn.Module) and callable(model) and not hasattr(model, "get_config"):
        try:
            model = model()
        except Exception as problem:
            raise ModelError(
                f"{name} must build a model, got {type(problem).__name__}: {problem}; correct it."
            ) from problem
    if isinstance(model, nn.Module):
        return inspect_module(model)
    if not hasattr(model, "get_config"):
        refuse(model)
    return inspect_config({"class_name": "Model", "config": model.get_config()}, f"Keras model {model.name}")


def _lines(file: str, inspected: Inspected) -> Iterator[str]:
    of = "" if inspected.total is None else f" of {inspected.total}"
    number = len(inspected.layers)
    yield f"{file}: {inspected.what}: {counted(number, 'LRN-like or GDN layer')}{of}"
    for layer in inspected.layers:
        yield ""
        yield from _layer_lines(layer)
    if inspected.remarks:
        yield ""
    yield from inspected.remarks


def _layer_lines(layer: NormLayer) -> Iterator[str]:
    """Yield a layer, its readings with their distances from the first one, and remarks."""
    certain = {0: "unknown", 1: "one reading"}.get(len(layer.readings), f"{len(layer.readings)} readings")
    yield f"{layer.name}  {layer.shown}  {certain}"
    if layer.readings:
        width = max(len(one.name) for one in layer.readings)
        for one, away in zip(layer.readings, layer.differences(), strict=True):
            differs = "" if one is layer.readings[0] else f"  differs by {_distance(away)}"
            yield f"  {one.name:<{width}}  {one.text}{differs}"
    yield from (f"  {remark}" for remark in layer.remarks)


def _distance(away: tuple[float, ...]) -> str:
    if max(away) == 0:
        return "nothing"
    return " and ".join(f"{part:.2g} (input of {scale:g})" for part, scale in zip(away, SCALES, strict=True))
