"""Find torch's LRN layers in a model, convert them to specs, and refuse those that can't be swapped."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container, Iterator
from functools import partial
from typing import Any, NamedTuple

from torch import fx, jit, nn
from torch.nn.functional import local_response_norm

from localnorm.errors import ModelError, SpecError
from localnorm.spec import LRNSpec

Put = Callable[[nn.Module], None]
"""Puts a layer in a place."""
KINDS = (nn.LocalResponseNorm, nn.CrossMapLRN2d)


class Place(NamedTuple):
    """A place in a model: ``getattr(parent, key)`` is the layer."""

    name: str
    parent: nn.Module
    key: str
    layer: nn.Module

    @property
    def put(self) -> Put:
        """What puts another layer there."""
        return partial(self.parent.add_module, self.key)


def places(model: nn.Module) -> Iterator[Place]:
    """Yield every place in the model, also those that share a layer, or a parent that holds it."""
    if not isinstance(model, nn.Module):
        raise ModelError(f"model must be a torch.nn.Module, got {type(model).__name__}; pass the model itself.")
    for name, layer in model.named_modules(remove_duplicate=False):
        parent, _, key = name.rpartition(".")
        if name:
            yield Place(name, model.get_submodule(parent), key, layer)


def meaning(layer: nn.Module) -> LRNSpec:
    """Return the spec of a torch layer; raise SpecError for a CrossMapLRN2d of even size, which defines no LRN."""
    convert = LRNSpec.from_torch_cross_map if isinstance(layer, nn.CrossMapLRN2d) else LRNSpec.from_torch
    # torch takes False for 0 and True for 1.
    values: list[Any] = [layer.alpha, layer.beta, layer.k]
    return convert(layer.size, *(float(value) if isinstance(value, bool) else value for value in values))


def first_wrong(layer: nn.CrossMapLRN2d) -> int:
    """Return the first channel that CrossMapLRN2d gets wrong, if the input has that many.

    It keeps a running sum along the channels. At channel c it should subtract channel c - n, n = (size + 1) // 2,
    but torch's code checks c > n instead of c >= n, so channel 0 is never subtracted.

    Source: CrossMapLRN2d.forward in torch/nn/modules/_functions.py.
    """
    return (layer.size + 1) // 2


def refuse_unseen(model: nn.Module) -> None:
    """Raise ModelError if a part of the model holds an LRN that is no longer a layer."""
    for name, module in model.named_modules():
        if isinstance(module, jit.ScriptModule) and module.original_name in {kind.__name__ for kind in KINDS}:
            raise ModelError(
                f"{name or 'model'} can't be swapped: torch.jit has compiled it; swap the layers of the model "
                "that was scripted or traced."
            )
        graph = module.graph if isinstance(module, fx.GraphModule) else None
        if graph and any(node.target is local_response_norm for node in graph.nodes):
            raise ModelError(
                f"{name or 'model'} can't be swapped: its graph calls torch.nn.functional.local_response_norm; "
                "make localnorm.torch.local_response_norm the target of those nodes, and call recompile()."
            )


def check_meaning(place: Place) -> LRNSpec:
    """Return the spec of a torch layer; raise ModelError if it can't be swapped."""
    layer, kind = place.layer, type(place.layer)
    [known] = [known for known in KINDS if isinstance(layer, known)]
    if kind.forward is not known.forward or kind.__call__ is not nn.Module.__call__ or "forward" in vars(layer):
        raise ModelError(
            f"{place.name} can't be swapped: {kind.__name__} overrides forward here, which may compute "
            "something else; put localnorm.torch.LocalResponseNorm there by hand if it does not."
        )
    if any(True for _ in (*layer.parameters(), *layer.buffers(), *layer.children())):
        raise ModelError(
            f"{place.name} can't be swapped: {kind.__name__} has parameters, buffers or layers here, "
            "which the state of the model would lose; put localnorm.torch.LocalResponseNorm there by hand."
        )
    check_place(place)
    try:
        return meaning(layer)
    except SpecError as problem:
        raise ModelError(f"{place.name} can't be swapped: {problem}") from problem


def check_place(place: Place) -> None:
    """Raise ModelError if a swap would have no effect or would lose hooks."""
    if place.key == "_orig_mod":
        raise ModelError(
            f"{place.name} can't be swapped: torch.compile has compiled that very layer; swap, then compile."
        )
    hooks = [name for name, value in vars(place.layer).items() if name.endswith("_hooks") and value]
    if hooks:
        raise ModelError(
            f"{place.name} can't be swapped: it has hooks ({', '.join(hooks)}), which were written for that "
            "layer; remove them, swap, then register them again."
        )


def held_outside(model: nn.Module, layers: Container[nn.Module]) -> Iterator[tuple[str, nn.Module, Put]]:
    """Yield the layers that attributes of modules hold beside the tree: bare, by a method, or in containers."""
    of_every_module = vars(nn.Module()).keys() - {"training"}
    for name, module in model.named_modules():
        for key, value in vars(module).items():
            if key not in of_every_module:

                def assign(new: Any, module: nn.Module = module, key: str = key) -> None:  # noqa: ANN401
                    object.__setattr__(module, key, new)

                yield from _inside(f"{name}.{key}" if name else f".{key}", value, assign, layers, ())


def _inside(
    where: str,
    value: object,
    assign: Callable[[Any], None],
    layers: Container[nn.Module],
    around: tuple[int, ...],
) -> Iterator[tuple[str, nn.Module, Put]]:
    owner = getattr(value, "__self__", None)
    if isinstance(value, nn.Module):
        if value in layers:
            yield where, value, assign
    elif isinstance(owner, nn.Module) and owner in layers:
        method = getattr(value, "__name__", "forward")
        yield f"{where}, a method", owner, lambda new: assign(getattr(new, method))
    elif id(value) not in around:
        yield from _inside_container(where, value, assign, layers, (*around, id(value)))


def _inside_container(
    where: str,
    value: object,
    assign: Callable[[Any], None],
    layers: Container[nn.Module],
    around: tuple[int, ...],
) -> Iterator[tuple[str, nn.Module, Put]]:
    """Yield what a list, deque, dict, tuple or set holds; `around` are those that it is in."""
    if isinstance(value, list | deque | dict):
        items = list(value.items() if isinstance(value, dict) else enumerate(value))
        for key, item in items:

            def set_item(new: Any, value: Any = value, key: Any = key) -> None:  # noqa: ANN401
                value[key] = new

            yield from _inside(f"{where}[{key!r}]", item, set_item, layers, around)
    elif isinstance(value, tuple | set | frozenset):
        # Made anew from what is in its place by then: it may hold several layers.
        current = list(value)
        make = getattr(type(value), "_make", type(value))
        for place, item in enumerate(value):

            def rebuild(new: Any, current: list[Any] = current, place: int = place, make: Any = make) -> None:  # noqa: ANN401
                current[place] = new
                assign(make(current))

            yield from _inside(f"{where}[{place}]", item, rebuild, layers, around)
