"""`swap_norms` on the architectures people have: what is found, what the new layers compute, what is refused."""

from __future__ import annotations

import copy
import warnings
from collections import deque
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor, fx, nn

from architectures import (
    ARCHITECTURES,
    GemmaRMSNorm,
    LayerNorm2d,
    LlamaRMSNorm,
    alexnet,
    build,
    example,
    resnet,
    vit,
)
from localnorm.errors import ModelError, UnknownNameError
from localnorm.torch import LocalResponseNorm, replace_lrn, restore_lrn, swap_norms
from localnorm.torch.norm_layers import BUILDERS

UNCHANGED = {
    *((name, "layer") for name in ("ViT", "Swin", "BERT", "LSTM")),
    *((name, "instance") for name in ("U-Net", "StyleGAN")),
    *(("AlexNet", to) for to in ("local", "local-learned")),
}
"""Where the new norm is the old one, gain and bias included."""
OVER_TOKENS = {"ConvNeXt", "ViT", "Swin", "BERT", "Llama", "LSTM"}


@pytest.mark.sampled(0.2, "name", "to")
@pytest.mark.parametrize("to", BUILDERS)
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_norm_in_every_architecture(name: str, to: str) -> None:
    model, x = build(name), example(name)
    expected = model.eval()(x)
    names = [layer for layer, _ in model.named_modules()]
    if to in ("instance", "grn", "frn") and name in OVER_TOKENS:
        with pytest.raises(ModelError, match=r"can't be swapped: .* needs positions"):
            swap_norms(model, to, example=x)
        assert torch.equal(model(x), expected)
        return
    report = swap_norms(model, to, example=x)
    assert (len(report), report.left) == (ARCHITECTURES[name][1], ())
    assert {layer.name for layer in report} <= {*names}
    if (name, to) not in UNCHANGED:
        assert not torch.equal(model(x), expected)
    model.train()(x).float().sum().backward()
    model.eval()
    report.restore()
    assert [layer for layer, _ in model.named_modules()] == names


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_restore_gives_the_same_bits(name: str) -> None:
    model, x = build(name).eval(), example(name)
    expected, state = model(x), {key: value.clone() for key, value in model.state_dict().items()}
    swap_norms(model, "layer", example=x).restore()
    assert torch.equal(model(x), expected)
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())


def oracle(norm: str, x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Normalize (N, C, ...) with a gain and a bias, in float64 by the formula."""
    axes = {"batch": (0, *range(2, x.ndim)), "layer": tuple(range(1, x.ndim)), "instance": tuple(range(2, x.ndim))}
    shape = (1, -1, *[1] * (x.ndim - 2))
    if norm == "rms":
        return x / np.sqrt((x**2).mean(axes["layer"], keepdims=True) + 1e-5) * weight.reshape(shape)
    mean, var = x.mean(axes[norm], keepdims=True), x.var(axes[norm], keepdims=True)
    return (x - mean) / np.sqrt(var + 1e-5) * weight.reshape(shape) + bias.reshape(shape)


@pytest.mark.parametrize("norm", ["batch", "layer", "instance", "rms"])
@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.GroupNorm(2, 6), (4, 6)), (nn.GroupNorm(2, 6), (4, 6, 5)), (nn.GroupNorm(2, 6), (4, 6, 5, 3)),
        (nn.GroupNorm(2, 6), (4, 6, 5, 3, 2)), (nn.BatchNorm1d(6), (4, 6)), (nn.BatchNorm1d(6), (4, 6, 5)),
        (nn.BatchNorm2d(6), (4, 6, 5, 3)), (nn.BatchNorm3d(6), (4, 6, 5, 3, 2)), (nn.SyncBatchNorm(6), (4, 6, 5)),
        (nn.InstanceNorm1d(6, affine=True), (4, 6, 5)), (LayerNorm2d(6), (4, 6, 5, 3)),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else str(len(value)),
)  # fmt: skip
def test_channels_first(norm: str, layer: nn.Module, shape: tuple[int, ...]) -> None:
    model, x = nn.Sequential(copy.deepcopy(layer)), torch.randn(shape, dtype=torch.float64) * 3 + 1
    model.double()
    for parameter in model.parameters():
        nn.init.uniform_(parameter, 0.5, 1.5)
    weight, bias = (getattr(model[0], name).detach().numpy() for name in ("weight", "bias"))
    swap_norms(model, norm)
    if norm == "instance" and len(shape) == 2:
        with pytest.raises(ValueError, match="instance normalization needs positions"):
            model(x)
        return
    result = model(x).detach().numpy()
    assert result.dtype == np.float64
    np.testing.assert_allclose(result, oracle(norm, x.numpy(), weight, bias), rtol=0, atol=1e-12)


@pytest.mark.parametrize("norm", ["batch", "layer", "rms"])
@pytest.mark.parametrize("shape", [(4, 6), (4, 5, 6), (4, 5, 3, 6)])
@pytest.mark.parametrize(
    "layer", [nn.LayerNorm(6), nn.RMSNorm(6), LlamaRMSNorm(6)], ids=lambda m: type(m).__name__
)
def test_over_the_last_axis_each_token_is_normalized(norm: str, shape: tuple[int, ...], layer: nn.Module) -> None:
    model, x = nn.Sequential(copy.deepcopy(layer)).double(), torch.randn(shape, dtype=torch.float64) * 3 + 1
    nn.init.uniform_(model[0].weight, 0.5, 1.5)
    weight = model[0].weight.detach().numpy()
    swap_norms(model, norm)
    tokens = x.numpy().reshape(-1, 6)
    expected = oracle(norm, tokens, weight, np.zeros(6)).reshape(shape)
    np.testing.assert_allclose(model(x).detach().numpy(), expected, rtol=0, atol=1e-12)


def test_a_gain_that_means_something_else_is_not_copied() -> None:
    model = nn.Sequential(GemmaRMSNorm(4))
    nn.init.constant_(model[0].weight, 0.25)
    report = swap_norms(model, "rms")
    assert "gain dropped" in report[0].note
    assert model[0].weight.tolist() == [1.0] * 4


def test_keep_affine_false_leaves_the_new_gain() -> None:
    model = nn.Sequential(nn.BatchNorm2d(4))
    nn.init.constant_(model[0].weight, 3.0)
    swap_norms(model, "layer", keep_affine=False)
    assert model[0].weight.tolist() == [1.0] * 4


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_dtype_training_gradients_and_hooks_are_kept(dtype: torch.dtype) -> None:
    model = nn.Sequential(nn.BatchNorm2d(4), nn.BatchNorm2d(4)).to(dtype)
    model[0].eval()
    model[1].requires_grad_(False)
    calls: list[str] = []
    model[0].register_forward_hook(lambda *_: calls.append("after"))
    model[0].register_forward_pre_hook(lambda *_: calls.append("before"))
    report = swap_norms(model, "batch")
    assert [layer.training for layer in model] == [False, True]
    assert [p.requires_grad for layer in model for p in layer.parameters()] == [True, True, False, False]
    assert {p.dtype for p in model.parameters()} == {dtype}
    model(torch.randn(2, 4, 3, 3, dtype=dtype))
    assert calls == ["before", "after"]
    report.restore()
    model(torch.randn(2, 4, 3, 3, dtype=dtype))
    assert calls == ["before", "after"] * 2


class Steps(nn.Module):
    """Holds its norm in the tree, and again in a list, a tuple, a dict and a bare attribute."""

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 8, 3), norm
        self.steps = [self.conv, self.norm]
        self.pair = (self.norm, (self.norm, "text"))
        self.table = {"norm": {"inner": [self.norm]}}
        object.__setattr__(self, "bare", self.norm)

    def forward(self, x: Tensor) -> Tensor:
        for step in self.steps:
            x = step(x)
        return self.bare(self.table["norm"]["inner"][0](self.pair[1][0](self.pair[0](x))))


def test_layers_in_lists_tuples_and_dicts_are_swapped_there() -> None:
    model, x = Steps(nn.BatchNorm2d(8)), torch.randn(2, 3, 8, 8)
    old = model.norm
    report = swap_norms(model, "none")
    held = (model.steps[1], model.pair[0], model.pair[1][0], model.table["norm"]["inner"][0], model.bare)
    assert all(layer is model.norm for layer in held)
    assert isinstance(model.norm, nn.Identity)
    for place in (".steps[1]", ".pair[0]", ".pair[1][0]", ".table['norm']['inner'][0]", ".bare"):
        assert place in report[0].note
    assert torch.equal(model(x), model.conv(x))
    report.restore()
    assert model.steps[1] is model.pair[0] is model.pair[1][0] is model.bare is old


def test_shared_layers_stay_shared() -> None:
    norm = nn.BatchNorm2d(8)
    model = nn.Sequential(norm, nn.ReLU(), norm)
    report = swap_norms(model, "group")
    assert (len(report), report[0].note) == (1, "also at 2")
    assert model[0] is model[2]


@pytest.mark.parametrize(
    ("only", "left"), [("0", {1, 7}), (["1", "7"], {0}), (lambda name, _: name == "7", {0, 1})]
)
def test_only_some(only: object, left: set[int]) -> None:
    model = nn.Sequential(*[nn.BatchNorm2d(3) if i in (0, 1, 7) else nn.ReLU() for i in range(8)])
    swap_norms(model, "layer", only=only)  # type: ignore[arg-type]
    assert {i for i, layer in enumerate(model) if isinstance(layer, nn.BatchNorm2d)} == left


def test_a_dict_names_layers() -> None:
    model = nn.Sequential(nn.BatchNorm2d(8), nn.BatchNorm2d(8), nn.BatchNorm2d(8))
    swap_norms(model, {"0": "rms", "2": lambda channels: nn.GroupNorm(channels, channels)})
    assert [type(layer).__name__ for layer in model] == ["RMSNorm", "BatchNorm2d", "GroupNorm"]


def test_lazy_layers_and_lrn_take_their_channels_from_an_example() -> None:
    model, x = (
        nn.Sequential(nn.Conv2d(3, 6, 3), nn.LazyBatchNorm2d(), nn.LocalResponseNorm(3)),
        torch.randn(2, 3, 8, 8),
    )
    with pytest.raises(ModelError, match=r"1, LazyBatchNorm2d, does not tell its number of channels.*example="):
        swap_norms(model, "group")
    swap_norms(model, "group", example=x)
    assert [layer.num_channels for layer in model[1:]] == [6, 6]
    assert swap_norms(alexnet(), "local", keep_affine=False).summary == "2 layers swapped"


def test_compiled_before_and_after() -> None:
    x = torch.randn(2, 3, 32, 32)
    model = torch.compile(resnet().eval(), backend="eager")
    model(x)
    swap_norms(model, "none")
    plain = resnet().eval()
    plain.load_state_dict({k.removeprefix("_orig_mod."): v for k, v in model.state_dict().items()}, strict=False)
    swap_norms(plain, "none")
    torch.testing.assert_close(model(x), plain(x))
    torch.testing.assert_close(torch.compile(plain, backend="eager")(x), plain(x))


def test_a_traced_graph_is_swapped() -> None:
    model = fx.symbolic_trace(resnet().eval())
    x = torch.randn(2, 3, 32, 32)
    expected = model(x)
    report = swap_norms(model, "layer")
    assert len(report) == 6
    assert not torch.equal(model(x), expected)


def test_frozen_statistics_are_swapped() -> None:
    class FrozenBatchNorm2d(nn.Module):
        def __init__(self, channels: int) -> None:
            super().__init__()
            for name, value in (("weight", 2.0), ("bias", 1.0), ("running_mean", 0.0), ("running_var", 1.0)):
                self.register_buffer(name, torch.full((channels,), value))

    model = nn.Sequential(FrozenBatchNorm2d(4))
    report = swap_norms(model, "layer")
    assert report[0].note == "statistics were frozen"
    assert (model[0].weight.tolist(), model[0].bias.tolist()) == ([2.0] * 4, [1.0] * 4)


def test_what_can_not_be_swapped_is_left_and_named() -> None:
    model = nn.Sequential(nn.LayerNorm((4, 4)), nn.BatchNorm2d(3))
    report = swap_norms(model, "group")
    assert [(layer.name, layer.kind) for layer in report.left] == [("0", "LayerNorm")]
    assert "it normalizes over 2 axes" in repr(report)
    assert swap_norms(nn.Sequential(nn.ReLU()), "group").summary.startswith("nothing to swap")


@pytest.mark.parametrize(
    ("model", "to", "options", "error", "match"),
    [
        (3, "group", {}, ModelError, "must be a torch.nn.Module, got int"),
        (nn.BatchNorm2d(3), "group", {}, ModelError, "got the layer BatchNorm2d"),
        (resnet(), "grup", {}, UnknownNameError, "did you mean group"),
        (resnet(), 5, {}, ModelError, "must be the name of a norm, a builder"),
        (resnet(), {"nope": "group"}, {}, ModelError, "must map names of normalization layers, got 'nope'"),
        (resnet(), "group", {"only": ["nope"]}, ModelError, "only must name normalization layers"),
        (vit(), "instance", {}, ModelError, "instance normalization needs positions"),
        (alexnet(), "batch", {}, ModelError, "pass example="),
    ],
)
def test_bad_input(model: nn.Module, to: object, options: dict[str, object], error: type, match: str) -> None:
    with pytest.raises(error, match=match):
        swap_norms(model, to, **options)  # type: ignore[arg-type]


def test_a_scripted_part_is_refused() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        model = nn.Sequential(torch.jit.script(nn.Sequential(nn.BatchNorm2d(3))))
    with pytest.raises(ModelError, match=r"torch\.jit has compiled it"):
        swap_norms(model, "group")


def test_local_over_tokens_runs_along_the_last_axis() -> None:
    model, x = nn.Sequential(nn.LayerNorm(8)), torch.randn(2, 5, 8)
    swap_norms(model, "local")
    assert isinstance(model[0], LocalResponseNorm)
    torch.testing.assert_close(model(x), LocalResponseNorm.from_spec(model[0].spec)(x.mT).mT)


@pytest.mark.parametrize("kind", [nn.LocalResponseNorm, nn.CrossMapLRN2d])
def test_replace_lrn_swaps_what_lists_and_dicts_hold(kind: type[nn.Module]) -> None:
    model, x = Steps(kind(5, 1.0)), torch.randn(2, 3, 8, 8)
    old = model.norm
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        report = replace_lrn(model)
    assert "also at .steps[1], .pair[0], .pair[1][0], .table['norm']['inner'][0], .bare" in report[0].note
    expected = model.conv(x)
    for _ in range(5):
        expected = LocalResponseNorm(5, 1.0)(expected)
    torch.testing.assert_close(model(x), expected)
    restore_lrn(model)
    assert model.steps[1] is model.pair[0] is model.pair[1][0] is model.bare is old


class Pair(NamedTuple):
    first: nn.Module
    second: str


class Containers(nn.Module):
    """Holds its norm in a named tuple, a set, a deque and as a method."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(8)
        self.pair, self.group, self.queue = Pair(self.norm, "text"), {self.norm}, deque([self.norm])
        self.call = self.norm.forward

    def forward(self, x: Tensor) -> Tensor:
        for layer in (self.pair.first, *self.group, *self.queue, self.call):
            x = layer(x)
        return x


def test_other_containers_and_methods_are_swapped_there() -> None:
    model, x = Containers(), torch.randn(2, 8, 3, 3)
    old = model.norm
    report = swap_norms(model, "none")
    assert report[0].note == "also at .pair[0], .group[0], .queue[0], .call, a method"
    assert torch.equal(model(x), x)
    assert isinstance(model.pair, Pair)
    report.restore()
    assert model.pair.first is model.queue[0] is next(iter(model.group)) is model.call.__self__ is old


def test_the_report_of_replace_lrn_restores_too() -> None:
    model = Steps(nn.LocalResponseNorm(5))
    old = model.norm
    report = replace_lrn(model)
    assert repr(report.restore()) == "1 layer restored"
    assert model.norm is model.steps[1] is model.bare is old


def test_a_model_on_the_meta_device_stays_there() -> None:
    with torch.device("meta"):
        model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), LlamaRMSNorm(8))
    swap_norms(model, "layer")
    assert all(parameter.is_meta for parameter in model.parameters())
