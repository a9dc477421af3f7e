"""Find the normalization layers of a model: torch's, torchvision's, timm's and Hugging Face's, also in lists."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor, jit, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.instancenorm import _InstanceNorm
from torch.nn.parameter import is_lazy

from localnorm.errors import ModelError
from localnorm.torch.gdn import GDN
from localnorm.torch.module import LocalResponseNorm
from localnorm.torch.swap.find import KINDS, Put, held_outside, places

Layout = Literal["channels first", "channels last"]
BY_NAME = "recognized by its name"


@dataclass
class NormSite:
    """A normalization layer, and every place that holds it.

    Attributes:
        name: its first name in the model.
        layer: the layer.
        channels: the number of its channels; None if the layer does not tell.
        layout: where its input has the channels: axis 1, or the last axis.
        dims: axes after (N, C), if the layer fixes them.
        also: further names: other places in the tree, or lists, tuples and dicts outside it.
        puts: functions that put another layer in each place.
        note: how it was recognized, if that needs a word.
        problem: why it can't be swapped; empty if it can.
    """

    name: str
    layer: nn.Module
    channels: int | None
    layout: Layout
    dims: int | None = None
    also: list[str] = field(default_factory=list)
    puts: list[Put] = field(default_factory=list)
    note: str = ""
    problem: str = ""


def find_norms(model: nn.Module) -> list[NormSite]:
    """Return the normalization layers of a model in its order, each once, with all places that hold it."""
    sites: dict[nn.Module, NormSite] = {}
    inside: set[nn.Module] = set()
    for place in places(model):
        # The parts of a layer that is swapped as a whole, such as the activation of timm's norm-and-activation.
        if place.layer not in sites and place.parent not in inside and place.parent not in sites:
            site = describe(place.name, place.layer)
            if site is not None:
                sites[place.layer] = site
                inside.update(module for module in place.layer.modules() if module is not place.layer)
        site = sites.get(place.layer)
        if site is not None:
            site.puts.append(place.put)
            if place.name != site.name:
                site.also.append(place.name)
            if place.key == "_orig_mod":
                site.problem = "torch.compile has compiled that very layer; swap, then compile"
    for name, layer, put in held_outside(model, sites):
        sites[layer].also.append(name)
        sites[layer].puts.append(put)
    return list(sites.values())


def describe(name: str, layer: nn.Module) -> NormSite | None:
    """Return a normalization layer as a site without places, or None for any other layer."""
    if isinstance(layer, jit.ScriptModule):
        return None
    kind = type(layer).__name__
    dims = next((int(end[0]) for end in ("1d", "2d", "3d") if kind.endswith(end)), None)
    over_last = _over_last_axis(layer, kind)
    if isinstance(layer, _BatchNorm | _InstanceNorm):
        site = NormSite(name, layer, layer.num_features or None, "channels first", dims)
    elif isinstance(layer, nn.GroupNorm):
        site = NormSite(name, layer, layer.num_channels, "channels first")
    elif isinstance(layer, (*KINDS, LocalResponseNorm, GDN)) and getattr(layer, "dim", 1) == 1:
        site = NormSite(name, layer, getattr(layer, "num_channels", None), "channels first")
    elif kind.startswith("FrozenBatchNorm") and isinstance(mean := getattr(layer, "running_mean", None), Tensor):
        site = NormSite(name, layer, len(mean), "channels first", 2, note="statistics were frozen")
    elif over_last:
        site = _last_axis_site(name, layer, over_last)
    else:
        return None
    if any(is_lazy(parameter) for parameter in layer.parameters()):
        site.channels = None
    return site


def refuse_scripted(model: nn.Module) -> None:
    """Raise ModelError if torch.jit has compiled a normalization layer of the model."""
    for name, module in model.named_modules():
        if isinstance(module, jit.ScriptModule) and "norm" in module.original_name.lower():
            raise ModelError(
                f"{name or 'model'} can't be swapped: torch.jit has compiled it; swap the layers of the model "
                "that was scripted or traced."
            )


def activation(layer: nn.Module) -> list[nn.Module]:
    """Return what a norm-and-activation layer applies after its norm: timm's dropout and activation, in order."""
    parts = (getattr(layer, name, None) for name in ("drop", "act"))
    return [part for part in parts if isinstance(part, nn.Module) and not isinstance(part, nn.Identity)]


def _last_axis_site(name: str, layer: nn.Module, extents: tuple[int, ...]) -> NormSite:
    first = "2d" in type(layer).__name__ or getattr(layer, "data_format", "") == "channels_first"
    layout: Layout = "channels first" if first else "channels last"
    site = NormSite(name, layer, extents[-1], layout, 2 if first else None)
    if len(extents) > 1:
        site.problem = f"it normalizes over {len(extents)} axes, of extents {', '.join(map(str, extents))}"
    if not isinstance(layer, nn.LayerNorm | nn.RMSNorm):
        site.note = f"{BY_NAME}, {type(layer).__name__}, and its weight"
    return site


def _over_last_axis(layer: nn.Module, kind: str) -> tuple[int, ...]:
    """Return the extents that a LayerNorm or RMSNorm normalizes over; of one known by name, that of its weight."""
    if isinstance(layer, nn.LayerNorm | nn.RMSNorm):
        return tuple(layer.normalized_shape)
    weight = getattr(layer, "weight", None)
    named = kind.lower().replace("_", "").removesuffix("2d").endswith(("rmsnorm", "layernorm"))
    if named and isinstance(weight, Tensor) and weight.ndim == 1 and not list(layer.children()):
        return tuple(weight.shape)
    return ()
