"""Image models by name: what they are given, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from data_files import random_pixels, write_pictures
from localnorm.errors import ModelError, UnknownNameError
from localnorm.lab.models.registry import MODELS, find_model
from localnorm.lab.models.small_cnn import small_cnn
from localnorm.lab.norms import NORMS, find_norm
from localnorm.lab.records.record import Trial
from localnorm.lab.tasks import data_task
from localnorm.lab.training.trial import run_trial

pytestmark = pytest.mark.usefixtures("one_thread")


def _build(name: str, shape=(1, 6, 6), classes: int = 4, norm: str = "batch") -> nn.Module:
    return find_model(name).build(find_norm(norm).builder(2), shape=shape, classes=classes)


def test_parameters_of_the_small_network():
    count = sum(p.numel() for p in _build("small_cnn", (3, 32, 32), 10, "none").parameters())
    assert count == (3 * 9 + 1) * 32 + (32 * 9 + 1) * 64 + (64 * 9 + 1) * 128 + (128 * 16 + 1) * 10 == 113_738


@pytest.mark.parametrize(("side", "first"), [(4, 4), (28, 28), (32, 32), (33, 17), (64, 32), (224, 32)])
def test_the_small_network_takes_any_size(side: int, first: int):
    # The stride s is ceil(side / 32), the kernel k max(3, s), the padding p k // 2: (side + 2p - k) // s + 1.
    model = small_cnn(nn.BatchNorm2d, channels=2, side=side)
    assert model[0](torch.zeros(1, 2, side, side // 2)).shape[2] == first
    assert model(torch.zeros(2, 2, side, side // 2 + 2)).shape == (2, 10)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("name", [*MODELS, "user_models:timm_style"])
def test_every_norm_fits_every_model(name: str, norm: str):
    assert _build(name, (1, 8, 8), 3, norm)(torch.zeros(2, 1, 8, 8)).shape == (2, 3)


def test_torchvisions_convention():
    model = _build("user_models:torchvision_style", (3, 5, 7), norm="layer")
    assert (model.fc.out_features, type(model.layer1.bn1)) == (4, nn.GroupNorm)
    with pytest.raises(ModelError, match=r"take images of shape \(2, 1, 6, 6\) .* got TypeError .*'in_chans'"):
        _build("user_models:torchvision_style")


@pytest.mark.parametrize("channels", [1, 3])
def test_timms_convention(channels: int):
    model = _build("user_models:timm_style", (channels, 5, 7))
    assert (model.fc.out_features, model.layer1.conv1.in_channels) == (4, channels)


def test_a_class_is_a_model_too():
    assert _build("user_models:TimmNet", (2, 5, 7)).layer1.conv1.in_channels == 2


def test_numbers_go_by_name():
    assert _build("user_models:sized", (2, 6, 6), classes=5)[-1].weight.shape == (5, 2 * 6 * 6)


@pytest.mark.parametrize("factory", ["torchvision.models:resnet18", "timm.models.resnet:resnet18"])
def test_the_libraries_themselves(factory: str, tmp_path: Path):
    try:
        pytest.importorskip(factory.partition(".")[0], exc_type=ImportError)
    except RuntimeError as problem:  # torchvision of another torch
        pytest.skip(str(problem))
    # A ResNet halves the sides five times, and instance normalization needs more than one position to train.
    colours = (64, 64, 3) if "torchvision" in factory else (64, 64)
    shape = (*colours[2:], 64, 64) if colours[2:] else (1, 64, 64)
    for norm in NORMS:
        assert _build(factory, shape, 7, norm).fc.out_features == 7
    write_pictures(
        tmp_path, {f"{name}/{n}.png": random_pixels(*colours, seed=n) for name in "ab" for n in range(5)}
    )
    for norm in ("none", "local", "group"):
        record = run_trial(Trial(data_task(str(tmp_path)).name, factory, norm, 0, 1e-3, 4, 1))
        assert (record.status, record.message) == ("ok", "")


def test_the_check_leaves_the_weights_of_the_seed():
    weights = []
    for build in (small_cnn, lambda norm, **_: find_model("small_cnn").build(norm, shape=(3, 9, 9), classes=10)):
        torch.manual_seed(3)
        weights.append(build(nn.BatchNorm2d, side=9).state_dict())
    assert weights[0].keys() == weights[1].keys()
    # The running statistics too: a model is not changed by its check.
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


WRONG = {
    "user_models:without_norm_layer": r"must have normalization layers, got user_models:without_norm_layer",
    "user_models:fixed_classes": r"scores of shape \(2, 4\) for 2 images, got \(2, 1000\) in evaluation",
    "user_models:TwoHeads": r"scores of shape \(2, 4\) for 2 images, got tuple in training",
    "user_models:ignores_the_norm": "ignores_the_norm, which applied none: every norm would train the same",
    "user_models:norm_on_tokens": r"features of shape \(N, 5, H, W\), got \(2, 1, 5\) in user_models:norm_on_t",
    "user_models:channels_last": r"features of shape \(N, 5, H, W\), got \(2, 1, 6, 5\)",
    "user_models:more_arguments": r"number of channels and nothing else, got \('eps',\) more",
}


@pytest.mark.parametrize("name", WRONG)
def test_models_that_are_refused(name: str):
    with pytest.raises(ModelError, match=WRONG[name]):
        _build(name)


def test_a_size_that_a_model_refuses():
    with pytest.raises(ModelError, match=r"of shape \(2, 1, 8, 12\) and give 4 scores each, got RuntimeErr"):
        _build("textbook_cnn", (1, 8, 12))


def test_a_norm_that_changes_the_shape():
    with pytest.raises(ModelError, match=r"keep the shape of its input, got \(2, 31, 6, 6\) for \(2, 32, 6, 6\)"):
        _build("small_cnn", norm="user_norms:shape_changer")


def test_exhausted_memory_stays_what_it_is():
    with pytest.raises(MemoryError, match="no room"):
        _build("user_models:no_memory")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("small", "one of textbook_cnn, small_cnn, got 'small'; did you mean"),
        ("no.such.module:function", "a user-defined model must be importable .* got 'no.such.module:function'"),
        ("user_models:nothing", "importable .* 'nothing'"),
        ("user_models:not_a_model", "a callable that returns a Module, got 3 at user_models:not_a_model"),
    ],
)
def test_names_that_are_no_model(name: str, said: str):
    with pytest.raises(UnknownNameError, match=said):
        find_model(name)
