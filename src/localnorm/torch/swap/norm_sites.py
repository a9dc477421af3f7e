"""Find the normalization layers of a model: torch's, torchvision's, timm's and Hugging Face's, also in lists."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from torch import Tensor, jit, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.instancenorm import _InstanceNorm
from torch.nn.parameter import is_lazy

from localnorm.torch.gdn import GDN
from localnorm.torch.module import LocalResponseNorm
from localnorm.torch.swap.find import KINDS, places

Layout = Literal["channels first", "channels last"]
Put = Callable[[nn.Module], None]


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
            parent, key = place.parent, place.key
            site.puts.append(lambda new, parent=parent, key=key: parent.add_module(key, new))  # type: ignore[misc]
            if place.name != site.name:
                site.also.append(place.name)
            if key == "_orig_mod":
                site.problem = "torch.compile has compiled that very layer; swap, then compile"
    for name, layer, put in _held_outside(model, sites):
        sites[layer].also.append(name)
        sites[layer].puts.append(put)
    return list(sites.values())


def describe(name: str, layer: nn.Module) -> NormSite | None:
    """Return a normalization layer as a site without places, or None for any other layer."""
    if isinstance(layer, jit.ScriptModule):
        return None
    kind = type(layer).__name__
    site: NormSite | None = None
    if isinstance(layer, _BatchNorm | _InstanceNorm):
        # SyncBatchNorm takes any rank; 1d layers take (N, C) and (N, C, L).
        dims = next((int(end[0]) for end in ("1d", "2d", "3d") if kind.endswith(end)), None)
        site = NormSite(name, layer, layer.num_features or None, "channels first", dims)
    elif isinstance(layer, nn.GroupNorm):
        site = NormSite(name, layer, layer.num_channels, "channels first")
    elif isinstance(layer, nn.LayerNorm | nn.RMSNorm):
        site = _over_last_axis(name, layer, kind)
    elif isinstance(layer, KINDS) or (isinstance(layer, LocalResponseNorm) and layer.dim == 1):
        site = NormSite(name, layer, None, "channels first")
    elif isinstance(layer, GDN) and layer.dim == 1:
        site = NormSite(name, layer, layer.num_channels, "channels first")
    elif kind.startswith("FrozenBatchNorm") and isinstance(getattr(layer, "running_var", None), Tensor):
        site = NormSite(name, layer, len(layer.running_var), "channels first", 2)  # type: ignore[arg-type]
        site.note = "statistics were frozen"
    elif _like_rms_norm(layer, kind):
        last = "2d" not in kind
        site = NormSite(
            name, layer, len(layer.weight), "channels last" if last else "channels first", None if last else 2
        )  # type: ignore[arg-type]
        site.note = f"recognized by its name, {kind}, and its weight"
    elif kind.endswith(("LayerNorm", "LayerNorm2d")) and _one_axis(getattr(layer, "weight", None)):
        first = "2d" in kind or getattr(layer, "data_format", "") == "channels_first"
        site = NormSite(
            name, layer, len(layer.weight), "channels first" if first else "channels last", 2 if first else None
        )  # type: ignore[arg-type]
        site.note = f"recognized by its name, {kind}, and its weight"
    if site is not None and any(is_lazy(parameter) for parameter in layer.parameters()):
        site.channels = None
    return site


def activation(layer: nn.Module) -> list[nn.Module]:
    """Return what a norm-and-activation layer applies after its norm: timm's dropout and activation, in order."""
    parts = (getattr(layer, name, None) for name in ("drop", "act"))
    return [part for part in parts if isinstance(part, nn.Module) and not isinstance(part, nn.Identity)]


def _over_last_axis(name: str, layer: nn.LayerNorm | nn.RMSNorm, kind: str) -> NormSite:
    shape = layer.normalized_shape
    first = "2d" in kind or getattr(layer, "data_format", "") == "channels_first"
    site = NormSite(name, layer, shape[-1], "channels first" if first else "channels last", 2 if first else None)
    if len(shape) > 1:
        site.problem = (
            f"it normalizes over {len(shape)} axes, {tuple(shape)}, of which none holds the channels alone"
        )
    return site


def _one_axis(weight: object) -> bool:
    return isinstance(weight, Tensor) and weight.ndim == 1


def _like_rms_norm(layer: nn.Module, kind: str) -> bool:
    named = kind.lower().replace("_", "").removesuffix("2d").endswith("rmsnorm")
    return named and _one_axis(getattr(layer, "weight", None)) and not list(layer.children())


def _held_outside(model: nn.Module, sites: dict[nn.Module, NormSite]) -> Iterator[tuple[str, nn.Module, Put]]:
    """Yield the layers that attributes of modules hold beside the tree: bare, or in lists, tuples and dicts."""
    for name, module in model.named_modules():
        for key, value in vars(module).items():
            if key.startswith("_") and key in nn.Module().__dict__:
                continue
            where = f"{name}.{key}" if name else f".{key}"

            def assign(new: Any, module: nn.Module = module, key: str = key) -> None:  # noqa: ANN401
                object.__setattr__(module, key, new)

            yield from _inside(where, value, assign, sites, ())


def _inside(
    where: str,
    value: object,
    assign: Callable[[Any], None],
    sites: dict[nn.Module, NormSite],
    around: tuple[int, ...],
) -> Iterator[tuple[str, nn.Module, Put]]:
    if isinstance(value, nn.Module):
        if value in sites:
            yield where, value, assign
        return
    if id(value) in around:
        return
    around = (*around, id(value))
    if isinstance(value, list | dict):
        items = enumerate(value) if isinstance(value, list) else list(value.items())
        for key, item in items:

            def set_item(new: Any, value: Any = value, key: Any = key) -> None:  # noqa: ANN401
                value[key] = new

            yield from _inside(f"{where}[{key!r}]", item, set_item, sites, around)
    elif type(value) is tuple:
        # A tuple is made anew, from what is in its place by then: it may hold several layers.
        current = list(value)
        for place, item in enumerate(value):

            def rebuild(new: Any, current: list[Any] = current, place: int = place) -> None:  # noqa: ANN401
                current[place] = new
                assign(tuple(current))

            yield from _inside(f"{where}[{place}]", item, rebuild, sites, around)
