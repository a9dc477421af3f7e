"""Models without an argument norm_layer: their norms are swapped for the builder's; libraries' models by name."""

from __future__ import annotations

import importlib
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from localnorm.errors import MissingExtraError, ModelError, UnknownNameError
from localnorm.lab.models.registry import find_model
from localnorm.lab.norms import find_norm
from localnorm.torch import GDN

SHAPE = (1, 8, 8)


def make(name: str, norm: str) -> nn.Module:
    return find_model(f"user_models:{name}").build(find_norm(norm).builder(dims=2), shape=SHAPE, classes=10)


@pytest.mark.parametrize("norm", ["none", "local", "local-learned", "batch", "layer", "group", "rms"])
@pytest.mark.parametrize(("name", "norms"), [("norms_inside", 2), ("transformer", 3)])
def test_every_norm_is_in_every_place(name: str, norms: int, norm: str) -> None:
    model = make(name, norm)
    kind = type(find_norm(norm).builder(dims=2)(8))
    # torch's Identity is also the shortcut of a residual block.
    assert sum(type(module) is kind for module in model.modules()) >= norms
    assert not [module for module in model.modules() if type(module) is nn.LayerNorm]
    loss = model(torch.randn(4, *SHAPE)).square().sum()
    loss.backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_a_norm_of_ones_own_is_put_in_every_place() -> None:
    model = make("transformer", "localnorm.torch:GDN")
    assert sum(isinstance(module, GDN) for module in model.modules()) == 3


def test_instance_normalization_over_tokens_is_refused() -> None:
    assert make("norms_inside", "instance")
    with pytest.raises(ModelError, match="instance normalization needs positions"):
        make("transformer", "instance")


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("returns_a_tuple", r"got tuple .*; wrap it in a module that returns the scores alone"),
        ("returns_a_dict", r"got dict .*; wrap it in a module that returns .*output\['logits'\]"),
        ("without_norms", "must have normalization layers"),
        ("two_classes", r"must give scores of shape \(2, 10\) for 2 images, got \(2, 2\)"),
        ("needs_a_width", "give width a default"),
        ("whole_norm", "normalizes over 3 axes"),
        ("returns_nothing", "must be a torch.nn.Module, got NoneType"),
    ],
)
def test_what_is_wrong_with_a_model_is_said(name: str, match: str) -> None:
    with pytest.raises(ModelError, match=match):
        make(name, "batch")


def test_a_frozen_model_is_refused() -> None:
    with pytest.raises(ModelError, match=r"parameters to train, got user_models:frozen, in which all are frozen"):
        make("frozen", "none")


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("torchvison:resnet18", "did you mean torchvision:resnet18"),
        ("tim:vit_tiny", "did you mean timm:vit_tiny"),
        ("user_models:norm_inside", "did you mean norms_inside"),
        ("user_models:quite_another", "check the spelling"),
    ],
)
def test_the_nearest_name_is_said(name: str, match: str) -> None:
    with pytest.raises(UnknownNameError, match=match):
        find_model(name)


@pytest.mark.parametrize("name", ["torchvision:resnet18", "timm:resnet18", "hf:vit"])
def test_a_library_that_is_missing_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(package: str) -> Any:
        raise ImportError(f"No module named {package!r}")

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(MissingExtraError, match=r"which can't be imported here .*pip install"):
        find_model(name)


def library(**calls: Any) -> SimpleNamespace:
    """A stand-in for timm, which notes how it is called."""

    def create_model(name: str, **arguments: Any) -> nn.Module:
        if "img_size" in arguments:
            raise TypeError("unexpected keyword argument 'img_size'")
        calls.update(arguments, name=name)
        return nn.Sequential(
            nn.Conv2d(arguments["in_chans"], 4, 3), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
            nn.Linear(4, arguments["num_classes"]),
        )  # fmt: skip

    return SimpleNamespace(create_model=create_model, list_models=lambda: ["resnet18", "resnet50"], calls=calls)


def test_a_model_of_timm_is_built_without_weights_and_with_its_options(monkeypatch: pytest.MonkeyPatch) -> None:
    timm = library()
    monkeypatch.setattr(importlib, "import_module", lambda _: timm)
    found = find_model("timm:resnet18,drop_path_rate=0.1,act_layer=gelu,scriptable=false")
    model = found.build(find_norm("group").builder(dims=2), shape=SHAPE, classes=10)
    assert timm.calls == {
        "name": "resnet18", "pretrained": False, "num_classes": 10, "in_chans": 1, "drop_path_rate": 0.1,
        "act_layer": "gelu", "scriptable": False,
    }  # fmt: skip
    assert isinstance(model[1].norm if hasattr(model[1], "norm") else model[1], nn.GroupNorm)
    with pytest.raises(UnknownNameError, match="the nearest names are resnet18"):
        find_model("timm:resnet81")
    with pytest.raises(ModelError, match="must be key=value"):
        find_model("timm:resnet18,fast")
