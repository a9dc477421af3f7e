"""Swapping torch's LRN layers in a model and back: what is swapped, what stays, what is refused."""

from __future__ import annotations

import copy
import io
import warnings

import numpy as np
import pytest
import torch
from torch import fx, nn

from localnorm import LRNSpec, reference
from localnorm.errors import InplaceError
from localnorm.torch import LocalResponseNorm, replace_lrn, restore_lrn
from tensors import random_tensor

SINGLE = torch.float32


class _Shared(nn.Module):
    """One layer in three places, and a part with a layer in two."""

    def __init__(self):
        super().__init__()
        norm = nn.LocalResponseNorm(3, 0.7)
        self.first = nn.Sequential(nn.Conv2d(3, 9, 1), norm, nn.ReLU(), norm)
        self.again = norm
        block = nn.ModuleDict({"norm": nn.LocalResponseNorm(4, 0.5)})
        self.blocks = nn.ModuleList([block, nn.Identity(), block])
        self.nothing = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.again(self.first(x))
        return self.blocks[2]["norm"](self.blocks[0]["norm"](x) + x)


class _Renamed(nn.LocalResponseNorm):
    """A subclass as networks have them: other defaults, the same forward."""

    def __init__(self):
        super().__init__(5, alpha=5e-4, k=2.0)


def _network() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 9, 1), nn.ReLU(), nn.LocalResponseNorm(4, 0.7, 0.6, 2.0), nn.Conv2d(9, 4, 1))


def _input(channels: int = 3) -> torch.Tensor:
    return random_tensor(2, channels, 5, 4, dtype=SINGLE)


def _layers(model: nn.Module) -> dict[str, nn.Module]:
    return dict(model.named_modules(remove_duplicate=False))


@pytest.mark.parametrize("arguments", [(5,), (4, 0.7, 0.6, 2.0), (1, 0.5), (2, 1, 1, 1), (40, 0.5)], ids=str)
def test_one_layer(arguments: tuple):
    torchs = nn.LocalResponseNorm(*arguments)
    model = nn.Sequential(nn.Identity(), torchs)
    x = random_tensor(3, 11, 5, 4, dtype=SINGLE)
    before = model(x)
    report = replace_lrn(model)
    assert type(model[1]) is LocalResponseNorm
    assert not model[1].inplace
    assert repr(model[1]).startswith(f"LocalResponseNorm({arguments[0]}, ")
    # Eight epsilons for either side.
    torch.testing.assert_close(model(x), before, rtol=2e-6, atol=0)
    want = reference.forward(x.double().numpy(), LRNSpec.from_torch(*arguments))
    np.testing.assert_allclose(model(x).numpy(), want, rtol=1e-6)
    (layer,) = report
    assert (layer.name, layer.kind, layer.note) == ("1", "LocalResponseNorm", "")
    assert layer.spec == model[1].spec == LRNSpec.from_torch(*arguments)


def test_gradients_and_state_are_those_of_the_network():
    model = _network()
    state, x = {name: value.clone() for name, value in model.state_dict().items()}, _input()
    parameters = list(model.parameters())
    before = torch.autograd.grad(model(x).square().sum(), parameters)
    replace_lrn(model)
    assert model.state_dict().keys() == state.keys()
    assert all(new is old for new, old in zip(model.parameters(), parameters, strict=True))
    torch.testing.assert_close(torch.autograd.grad(model(x).square().sum(), parameters), before)
    model.load_state_dict(state)
    model.to(torch.float64)(x.double()).sum().backward()


@pytest.mark.parametrize("training", [False, True])
def test_the_flag_of_training(training: bool):
    model = _network().train(training)
    norm = model[2]
    replace_lrn(model)
    assert model[2].training is training
    model.train(not training)
    restore_lrn(model)
    assert model[2] is norm
    assert norm.training is not training


def test_shared_layers_stay_shared():
    model, x = _Shared(), _input()
    before, old = model(x), _layers(model)
    report = replace_lrn(model)
    new = _layers(model)
    assert new.keys() == old.keys()
    swapped = {name for name in new if new[name] is not old[name]}
    assert swapped == {"first.1", "first.3", "again", "blocks.0.norm", "blocks.2.norm"} == {r.name for r in report}
    assert new["first.1"] is new["first.3"] is new["again"]
    assert new["blocks.0.norm"] is new["blocks.2.norm"] is not new["again"]
    torch.testing.assert_close(model(x), before, rtol=1e-5, atol=1e-6)
    assert [layer.note for layer in report] == [
        "",
        "the same layer as first.1",
        "the same layer as first.1",
        "",
        "the same layer as blocks.0.norm",
    ]
    restored = restore_lrn(model)
    assert all(_layers(model)[name] is old[name] for name in old)
    assert restored.layers == report.layers
    assert torch.equal(model(x), before)


def test_the_report_prints_as_a_table():
    report = replace_lrn(_Shared())
    spec = "LRNSpec(lo=1, hi=1, alpha=0.2333333333333333, beta=0.75, k=1.0)"
    shown = str(report).replace(repr(report[0].spec), spec).splitlines()
    assert shown[0] == "2 layers are now localnorm.torch.LocalResponseNorm"
    columns = [shown[1].index(name) for name in ("name", "kind", "spec", "note")]
    for line, layer in zip(shown[2:], report, strict=True):
        cells = [line[start:end].strip() for start, end in zip(columns, [*columns[1:], None], strict=True)]
        assert cells[:2] == [layer.name, layer.kind]
        assert cells[3] == layer.note
        assert line == line.rstrip()
    assert len(report) == 5
    assert report[-1].name == "blocks.2.norm"
    assert report[:2] == report.layers[:2]
    assert "note" not in str(replace_lrn(_network()))


def test_a_second_time_there_is_nothing_to_swap():
    model = _Shared()
    replace_lrn(model)
    layers = _layers(model)
    again = replace_lrn(model)
    assert not again
    assert str(again) == "nothing to swap: no torch.nn.LocalResponseNorm or CrossMapLRN2d; localnorm's own: 2"
    assert _layers(model) == layers
    restore_lrn(model)
    assert str(restore_lrn(model)).startswith("nothing to restore")
    assert str(replace_lrn(nn.ReLU())) == "nothing to swap: no torch.nn.LocalResponseNorm or CrossMapLRN2d"
    assert len(replace_lrn(model)) == 5


def test_what_was_added_later_is_swapped_later():
    model = _network()
    replace_lrn(model)
    model.append(nn.LocalResponseNorm(3))
    assert [layer.name for layer in replace_lrn(model)] == ["4"]
    assert [layer.name for layer in restore_lrn(model)] == ["2", "4"]


def test_ours_is_not_restored():
    own = LocalResponseNorm(5)
    model = nn.Sequential(own, nn.LocalResponseNorm(3))
    replace_lrn(model)
    assert [layer.name for layer in restore_lrn(model)] == ["1"]
    assert model[0] is own


def test_a_subclass_that_computes_the_same():
    model = nn.Sequential(_Renamed())
    (layer,) = replace_lrn(model)
    assert layer.kind == "_Renamed"
    assert layer.spec == LRNSpec.from_torch(5, 5e-4, 0.75, 2.0)


def test_in_place():
    model = nn.Sequential(nn.Conv2d(3, 9, 1), nn.LocalResponseNorm(5, 0.7)).eval()
    x = _input()
    before = model(x)
    replace_lrn(model, inplace=True)
    assert model[1].inplace
    with pytest.raises(InplaceError, match="overwrites the input that the gradient needs"):
        model(x)
    with torch.inference_mode():
        hidden = model[0](x)
        assert model[1](hidden) is hidden
        torch.testing.assert_close(model(x), before, rtol=2e-6, atol=1e-7)


def test_copies():
    model, x = _Shared(), _input()
    before = model(x)
    replace_lrn(model)
    memory = io.BytesIO()
    torch.save(model, memory)
    memory.seek(0)
    for other in (copy.deepcopy(model), torch.load(memory, weights_only=False)):
        assert torch.equal(other(x), model(x))
        layers = _layers(other)
        assert layers["first.1"] is layers["again"] is not _layers(model)["again"]
        assert len(restore_lrn(other)) == 5
        assert type(other.again) is nn.LocalResponseNorm
        assert other.again is other.first[1]
        assert torch.equal(other(x), before)
    assert type(model.again) is LocalResponseNorm


def test_a_part_is_restored_by_itself():
    model = nn.Sequential(_network(), _network())
    replace_lrn(model)
    assert [layer.name for layer in restore_lrn(model[1])] == ["2"]
    assert [type(part[2]) for part in model] == [LocalResponseNorm, nn.LocalResponseNorm]


def test_fx_graphs_as_importers_make_them():
    """onnx2torch makes a GraphModule whose nodes call ``nn.LocalResponseNorm`` layers."""
    model, x = fx.symbolic_trace(_network()), _input()
    before = model(x)
    assert [layer.name for layer in replace_lrn(model)] == ["2"]
    torch.testing.assert_close(model(x), before, rtol=1e-5, atol=1e-6)
    other = copy.deepcopy(model)
    other.recompile()
    assert torch.equal(other(x), model(x))
    restore_lrn(other)
    assert torch.equal(other(x), before)


def test_a_compiled_network_around_the_layer():
    network = _network().eval()
    x, before = _input(), network(_input())
    compiled = torch.compile(network, backend="eager")
    torch.testing.assert_close(compiled(x), before)
    assert [layer.name for layer in replace_lrn(compiled)] == ["_orig_mod.2"]
    graphs = []
    torch.compiler.reset()
    torch.compile(network, backend=lambda graph, _: graphs.append(graph) or graph, fullgraph=True)(x)
    assert [node for node in graphs[0].graph.nodes if "localnorm" in str(node.target)]
    torch.testing.assert_close(compiled(x), before, rtol=1e-5, atol=1e-6)


# CrossMapLRN2d


@pytest.mark.parametrize("size", [1, 3, 5, 7])
def test_which_channels_cross_map_gets_wrong(size: int):
    """What the warning says is what torch computes, in the release that runs here."""
    theirs = nn.CrossMapLRN2d(size, 0.7, 0.6, 2.0)
    model = nn.Sequential(theirs)
    x = 1 + random_tensor(3, 11, 5, 4).abs()
    first = (size + 1) // 2
    with pytest.warns(UserWarning, match=rf"CrossMapLRN2d .*channel 0 .*: 0 from channel {first} on\.$"):
        (layer,) = replace_lrn(model)
    assert layer.kind == "CrossMapLRN2d"
    assert layer.note == f"torch's is wrong from channel {first} on"
    want = reference.forward(x.numpy(), LRNSpec.from_torch(size, 0.7, 0.6, 2.0))
    np.testing.assert_allclose(model(x).numpy(), want, rtol=4e-15)
    error = np.abs(theirs(x).numpy() / want - 1).max(axis=(0, 2, 3))
    assert (error[:first] < 1e-14).all()
    assert (error[first:] > 1e-3).all()
    restore_lrn(model)
    assert model[0] is theirs


def test_cross_maps_are_warned_of_once():
    model = nn.ModuleDict({"a": nn.CrossMapLRN2d(5), "b": nn.LocalResponseNorm(5), "c": nn.CrossMapLRN2d(3)})
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        replace_lrn(model)
    (warning,) = caught
    assert "a from channel 3 on, c from channel 2 on" in str(warning.message)
    assert warning.filename == __file__


def test_a_warning_that_is_an_error_comes_before_any_work():
    model = nn.Sequential(nn.LocalResponseNorm(5), nn.CrossMapLRN2d(5))
    layers = list(model)
    with pytest.raises(UserWarning, match="CrossMapLRN2d"):
        replace_lrn(model)
    assert list(model) == layers
