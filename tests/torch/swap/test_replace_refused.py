"""Models whose LRN layers can't be swapped: each is left as it was, with an error that says what to do."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import torch
from torch import fx, nn
from torch.nn.functional import local_response_norm

from localnorm.errors import ModelError
from localnorm.torch import LocalResponseNorm, replace_lrn, restore_lrn
from tensors import random_tensor


class _Squared(nn.LocalResponseNorm):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) ** 2


class _Called(nn.LocalResponseNorm):
    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return 2 * super().__call__(x)


class _Scaled(nn.LocalResponseNorm):
    def __init__(self):
        super().__init__(5)
        self.register_buffer("scale", torch.ones(()))


class _Calls(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return local_response_norm(x, 5, 0.5)


def _network() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 9, 1), nn.ReLU(), nn.LocalResponseNorm(4, 0.7, 0.6, 2.0), nn.Conv2d(9, 4, 1))


def _hooked() -> nn.Module:
    layer = nn.LocalResponseNorm(5)
    layer.register_forward_hook(lambda *_: None)
    return layer


def _hooked_backward() -> nn.Module:
    layer = nn.LocalResponseNorm(5)
    layer.register_full_backward_pre_hook(lambda *_: None)
    return layer


def _patched() -> nn.Module:
    layer = nn.LocalResponseNorm(5)
    layer.forward = lambda x: x
    return layer


REFUSED = {
    "overridden forward": (_Squared(5), "_Squared overrides forward"),
    "overridden call": (_Called(5), "_Called overrides forward"),
    "patched": (_patched(), "LocalResponseNorm overrides forward"),
    "state": (_Scaled(), "_Scaled has parameters, buffers or layers here"),
    "a hook": (_hooked(), r"has hooks \(_forward_hooks\), .*; remove them, swap, then register"),
    "a backward hook": (_hooked_backward(), r"has hooks \(_backward_pre_hooks\)"),
    "even cross map": (nn.CrossMapLRN2d(4), "size must be odd in torch_cross_map since .*got 4; use 5"),
    "no LRN": (nn.LocalResponseNorm(5, alpha=-1.0), "alpha must be at least 0, got -1"),
    "no size": (nn.LocalResponseNorm(0), "size must be at least 1, got 0"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_layers_refused(name: str):
    layer, text = REFUSED[name]
    model = nn.Sequential(nn.LocalResponseNorm(5), nn.ModuleDict({"norm": layer}))
    layers = list(model.modules())
    with pytest.raises(ModelError, match=rf"^1\.norm can't be swapped: .*{text}"):
        replace_lrn(model)
    assert list(model.modules()) == layers


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize(
    "scripted",
    [torch.jit.script, lambda model: torch.jit.trace(model, (random_tensor(2, 3, 5, 4, dtype=torch.float32),))],
)
def test_scripted_modules_are_refused(scripted: Callable[[nn.Module], nn.Module]):
    model = nn.Sequential(nn.LocalResponseNorm(3), scripted(_network()))
    with pytest.raises(ModelError, match=r"1\.2 can't be swapped: torch.jit has compiled it; swap the layers of"):
        replace_lrn(model)
    assert type(model[0]) is nn.LocalResponseNorm


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_scripted_modules_without_lrn_are_left():
    model = nn.Sequential(nn.LocalResponseNorm(3), torch.jit.script(nn.ReLU()))
    assert len(replace_lrn(model)) == 1


def test_a_graph_that_calls_the_function_is_refused():
    graph = fx.symbolic_trace(_Calls())
    model = nn.ModuleDict({"graph": graph})
    with pytest.raises(ModelError, match=r"graph can't be swapped: its graph calls .*recompile\(\)"):
        replace_lrn(model)
    with pytest.raises(ModelError, match="model can't be swapped: its graph"):
        replace_lrn(graph)


def test_a_layer_compiled_by_itself_is_refused():
    model = nn.Sequential(torch.compile(nn.LocalResponseNorm(5), backend="eager"))
    with pytest.raises(
        ModelError, match=r"^0\._orig_mod can't be swapped: torch.compile has compiled that very layer"
    ):
        replace_lrn(model)


def test_the_layer_itself_is_refused():
    for layer in (nn.LocalResponseNorm(5), nn.CrossMapLRN2d(5)):
        with pytest.raises(
            ModelError, match=re.escape("replace_lrn changes a model that holds layers, got the layer")
        ):
            replace_lrn(layer)
    model = _network()
    replace_lrn(model)
    with pytest.raises(
        ModelError, match=re.escape("restore_lrn changes a model that holds layers, got the layer")
    ):
        restore_lrn(model[2])


@pytest.mark.parametrize("function", [replace_lrn, restore_lrn])
def test_only_modules(function):
    with pytest.raises(ModelError, match=r"model must be a torch.nn.Module, got dict; pass the model itself"):
        function({})


def test_hooks_on_ours_are_not_lost():
    model = nn.Sequential(_network(), _network())
    replace_lrn(model)
    handle = model[1][2].register_forward_hook(lambda *_: None)
    with pytest.raises(ModelError, match=r"1\.2 can't be swapped: it has hooks \(_forward_hooks\)"):
        restore_lrn(model)
    assert type(model[0][2]) is LocalResponseNorm
    handle.remove()
    assert len(restore_lrn(model)) == 2
