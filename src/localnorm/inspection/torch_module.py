"""LRN-like and GDN layers of a torch module, by class and attributes, compared with what they compute."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from localnorm.errors import LocalnormError, ModelError
from localnorm.inspection.gdn import FORMULAS
from localnorm.inspection.layer import Inspected, NormLayer, largest_difference, shown
from localnorm.legacy.keras_config import is_norm
from localnorm.legacy.readings import Reading, reading, readings
from localnorm.torch.gdn import GDN
from localnorm.torch.module import LocalResponseNorm
from localnorm.torch.swap.find import KINDS, first_wrong, meaning, places

_ARGUMENTS = ("size", "n", "local_size", "depth_radius", "radius", "alpha", "beta", "k", "bias")
_AGREES = 1e-5
"""Relative, of float32 outputs."""


def inspect_module(model: nn.Module) -> Inspected:
    """Return the LRN-like and GDN layers of a module.

    Example:
        >>> inspected = inspect_module(nn.Sequential(nn.LocalResponseNorm(5)))
        >>> [(layer.name, layer.readings[0].name) for layer in inspected.layers]
        [('0', 'torch')]
    """
    everywhere = [(place.name, place.layer) for place in places(model)]
    if not any(True for _ in model.children()):
        everywhere = [("the model", model)]
    layers = [layer for name, module in everywhere if (layer := _layer(name, module))]
    return Inspected(f"torch module {type(model).__name__}", tuple(layers), len(everywhere))


def _layer(name: str, module: nn.Module) -> NormLayer | None:
    kind = type(module).__name__
    if isinstance(module, KINDS):
        return _of_torch(name, module)
    if isinstance(module, LocalResponseNorm):
        learned = [key for key, _ in module.named_parameters()]
        remarks = (f"learned {', '.join(learned)}; shown are the values they start from",) if learned else ()
        return NormLayer(name, f"localnorm {kind}", (reading("localnorm", module.spec, module.dim),), remarks)
    if isinstance(module, GDN) or (is_norm(kind) and {"beta", "gamma"} <= dict(module.named_parameters()).keys()):
        inverse = "i" if getattr(module, "inverse", False) else ""
        formula = inverse + ("gdn1" if kind.endswith("1") else "gdn")
        return NormLayer(name, f"{type(module).__module__.partition('.')[0]} {kind}", (), (FORMULAS[formula],))
    return _other(name, module) if is_norm(kind) else None


def _of_torch(name: str, module: nn.Module) -> NormLayer:
    head = shown(type(module).__name__, {key: getattr(module, key) for key in ("size", "alpha", "beta", "k")})
    try:
        readings: tuple[Reading, ...] = (reading("torch", meaning(module), 1),)
    except LocalnormError as problem:
        return NormLayer(name, head, (), (f"can't be read: {problem}",))
    if isinstance(module, nn.CrossMapLRN2d):
        remark = f"warning: torch never subtracts channel 0, so channels from {first_wrong(module)} on are wrong"
        return NormLayer(name, head, readings, (remark,))
    return NormLayer(name, head, readings, _compared(module, readings))


def _other(name: str, module: nn.Module) -> NormLayer:
    """Return a layer of the model's author, whose class has a name of LRN."""
    attributes = {key: getattr(module, key, None) for key in _ARGUMENTS}
    numbers = {key: value for key, value in attributes.items() if isinstance(value, int | float)}
    head = shown(type(module).__name__, numbers)
    try:
        possible = tuple(one for one in readings(numbers) if one.axis == 1 or one.rule is None)
    except LocalnormError as problem:
        return NormLayer(name, head, (), (f"can't be read: {problem}",))
    return NormLayer(name, head, possible, _compared(module, possible))


def _compared(module: nn.Module, possible: tuple[Reading, ...]) -> tuple[str, ...]:
    """Return which reading the module's output agrees with, as a remark."""
    x = 30 * NormLayer("", "").input().astype(np.float32)
    try:
        with torch.no_grad():
            y: Any = module(torch.from_numpy(x))
        output = np.asarray(y.double().numpy())
        away = {one.name: largest_difference(output, one.forward(x.astype(np.float64))) for one in possible}
    except Exception as problem:  # noqa: BLE001  the module is the user's
        return (f"can't be run on an input {x.shape}: {type(problem).__name__}: {problem}",)
    agreeing = [name for name, difference in away.items() if difference < _AGREES]
    if len(possible) == len(agreeing) == 1:
        return ()
    if agreeing:
        return (f"on random input it computes {' and '.join(agreeing)}",)
    nearest = min(away, key=lambda name: away[name])
    return (f"warning: on random input it computes none of these; nearest is {nearest}",)


def refuse(value: object) -> None:
    """Raise ModelError for an object that is no model."""
    raise ModelError(
        f"the function must return a torch.nn.Module or a Keras model, got {type(value).__name__}; pass a "
        "function that builds one, or the module itself."
    )
