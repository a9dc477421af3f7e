"""Swap torch's LRN layers in a model for `LocalResponseNorm`, and restore them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TypeVar

from torch import nn

from localnorm.errors import ModelError
from localnorm.torch.module import LocalResponseNorm
from localnorm.torch.swap.find import (
    KINDS,
    Place,
    check_meaning,
    check_place,
    first_wrong,
    held_outside,
    meaning,
    places,
    refuse_unseen,
)
from localnorm.torch.swap.report import SwappedLayer, SwapReport

Layer = TypeVar("Layer", bound=nn.Module)


def _keep_original(layer: LocalResponseNorm, original: nn.Module) -> None:
    """Store the replaced layer as a plain attribute: nn.Module would register it as a submodule."""
    object.__setattr__(layer, "_original", original)


def _original(layer: nn.Module) -> nn.Module | None:
    """Return the layer that this one replaced, or None."""
    original: nn.Module | None = getattr(layer, "_original", None)
    return original


def replace_lrn(model: nn.Module, *, inplace: bool = False) -> SwapReport:
    """Swap every torch LRN layer in a model for `localnorm.torch.LocalResponseNorm` with the same definition.

    The model itself is changed; `restore_lrn` undoes that. Parameters, buffers and state_dict keys stay as they
    are, because LRN has none. A layer that is in several places stays one layer, and keeps its training flag.
    Swapped are the layers in the tree of modules, and those that attributes hold in lists, tuples and dicts beside
    it: ``nn.LocalResponseNorm``, which onnx2torch also creates for an
    LRN node; its subclasses, unless they override ``forward``; and ``nn.CrossMapLRN2d``. A call of
    ``torch.nn.functional.local_response_norm`` in the code of a ``forward`` is not swapped.

    ``nn.CrossMapLRN2d`` is swapped for its documented definition: alpha / size times the sum of squares over
    `size` channels. It computes something else from channel ``(size + 1) // 2`` on, because it never subtracts
    channel 0 from its running sum. So the outputs change there, and a warning says so.

    If an error is raised, nothing has been swapped.

    Args:
        model: any module that holds layers.
        inplace: the new layers overwrite their input; default False. It saves memory if no gradient is needed and
            nothing else reads that input, such as a parallel branch. If a gradient is needed, they raise
            `InplaceError` when they are called.

    Returns:
        The layers swapped, by name, kind, spec and note; it prints as a table.

    Raises:
        ModelError: `model` is no module or is itself the layer to swap; or a layer can't be swapped: it is
            scripted, traced or compiled by itself, has hooks or state, overrides ``forward``, is an
            ``nn.CrossMapLRN2d`` of even size, or has hyperparameters that define no LRN (a ValueError).

    Warns:
        UserWarning: an ``nn.CrossMapLRN2d`` is swapped; once for all of a model.

    Source: torch/nn/modules/normalization.py and torch/nn/modules/_functions.py.

    Example:
        >>> model = nn.Sequential(nn.Conv2d(3, 96, 11), nn.ReLU(), nn.LocalResponseNorm(5, k=2.0))
        >>> replace_lrn(model)
        1 layer is now localnorm.torch.LocalResponseNorm
        name  kind               spec
        2     LocalResponseNorm  LRNSpec(lo=2, hi=2, alpha=2e-05, beta=0.75, k=2.0)
        >>> model[2]
        LocalResponseNorm(5, alpha=0.0001, beta=0.75, k=2.0)
    """
    found = [place for place in places(model) if isinstance(place.layer, KINDS)]
    if isinstance(model, KINDS):
        raise ModelError(
            f"replace_lrn changes a model that holds layers, got the layer {model} itself; build "
            "localnorm.torch.LocalResponseNorm with its arguments, or pass the model around it."
        )
    refuse_unseen(model)
    specs = {place.layer: check_meaning(place) for place in found}
    if not found:
        ours = sum(isinstance(layer, LocalResponseNorm) for layer in model.modules())
        already = f"; localnorm's own: {ours}" if ours else ""
        return SwapReport(f"nothing to swap: no torch.nn.LocalResponseNorm or CrossMapLRN2d{already}")
    _warn_of_cross_maps(found)
    swaps = {layer: LocalResponseNorm.from_spec(spec, inplace=inplace) for layer, spec in specs.items()}
    for layer, new in swaps.items():
        _keep_original(new, layer)
        new.train(layer.training)
    return _swapped(model, found, swaps, "now localnorm.torch.LocalResponseNorm")


def restore_lrn(model: nn.Module) -> SwapReport:
    """Put back the same layers that `replace_lrn` swapped, in every place where they were.

    Each new layer keeps the one that it replaced. So this also works on a part of the model, and on layers that
    were moved to another model; a deep copy or an unpickled model gets copies of the layers. A layer gets the
    current training flag of its place.

    Args:
        model: a module that `replace_lrn` has changed, or one that contains such a module.

    Returns:
        The layers put back, by name, kind, spec and note; it prints as a table.

    Raises:
        ModelError: `model` is no module or is itself the layer to put back; or since `replace_lrn` a layer was
            compiled by itself or got hooks (a ValueError). Then nothing has been put back.

    Example:
        >>> norm = nn.LocalResponseNorm(5)
        >>> model = nn.Sequential(nn.ReLU(), norm)
        >>> report = replace_lrn(model)
        >>> restore_lrn(model)
        1 layer is torch's again
        name  kind               spec
        1     LocalResponseNorm  LRNSpec(lo=2, hi=2, alpha=2e-05, beta=0.75, k=1.0)
        >>> model[1] is norm
        True
    """
    found = {place: original for place in places(model) if (original := _original(place.layer))}
    if _original(model):
        raise ModelError(
            f"restore_lrn changes a model that holds layers, got the layer {model} itself; pass the model around "
            "it."
        )
    for place in found:
        check_place(place)
    if not found:
        return SwapReport("nothing to restore: no layer that replace_lrn has put there")
    originals = {place.layer: original for place, original in found.items()}
    for new, original in originals.items():
        original.train(new.training)
    return _swapped(model, tuple(found), originals, "torch's again")


def _warn_of_cross_maps(found: Sequence[Place]) -> None:
    wrong = [
        f"{name} from channel {first_wrong(layer)} on"
        for name, _, _, layer in found
        if isinstance(layer, nn.CrossMapLRN2d)
    ]
    if wrong:
        warnings.warn(
            "outputs of swapped torch.nn.CrossMapLRN2d layers change, because torch's never subtracts channel 0 "
            f"from its running sum: {', '.join(wrong)}.",
            stacklevel=3,
        )


def _swapped(
    model: nn.Module, found: Sequence[Place], swaps: Mapping[nn.Module, Layer], outcome: str
) -> SwapReport:
    """Put each layer's counterpart in its place, and describe the one of the two that is torch's."""
    first: dict[nn.Module, str] = {}
    rows = []
    puts = {layer: [place.put for place in found if place.layer is layer] for layer in swaps}
    # Also in containers beside the tree, which a forward may run.
    beside: dict[nn.Module, list[str]] = {}
    for name, layer, put in held_outside(model, swaps):
        puts[layer].append(put)
        beside.setdefault(layer, []).append(name)
    for place in found:
        layer = place.layer
        torchs = layer if isinstance(layer, KINDS) else swaps[layer]
        notes = []
        if isinstance(torchs, nn.CrossMapLRN2d):
            notes.append(f"torch's is wrong from channel {first_wrong(torchs)} on")
        if first.setdefault(layer, place.name) != place.name:
            notes.append(f"the same layer as {first[layer]}")
        elif layer in beside:
            notes.append(f"also at {', '.join(beside[layer])}")
        rows.append(SwappedLayer(place.name, type(torchs).__name__, meaning(torchs), ", ".join(notes)))
    undo = tuple((layer, new, tuple(puts[layer])) for layer, new in swaps.items())
    count = "1 layer is" if len(swaps) == 1 else f"{len(swaps)} layers are"
    return SwapReport(f"{count} {outcome}", tuple(rows), (), undo).swapped()
