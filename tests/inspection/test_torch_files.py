"""Inspection of torch states and modules: GDN of CompressAI and of localnorm, LRN of any author, no pickles."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from localnorm import LRNSpec
from localnorm.errors import ModelError, ModelFileError
from localnorm.inspection import inspect_file
from localnorm.inspection.torch_module import inspect_module, refuse
from localnorm.torch import GDN, IGDN, LocalResponseNorm

PEDESTAL = 2.0**-36


def _compressai(channels: int = 4) -> dict[str, torch.Tensor]:
    """Return the state of a GDN of CompressAI, by the formulas of its parametrizers."""
    generator = torch.Generator().manual_seed(0)
    beta, gamma = torch.rand(channels, generator=generator), torch.rand(channels, channels, generator=generator)
    return {
        "beta": torch.sqrt(beta + PEDESTAL),
        "gamma": torch.sqrt(gamma + PEDESTAL) - 0.2,  # some below their bound
        "beta_reparam.pedestal": torch.tensor([PEDESTAL]),
        "beta_reparam.lower_bound.bound": torch.tensor([(1e-6 + PEDESTAL) ** 0.5]),
        "gamma_reparam.pedestal": torch.tensor([PEDESTAL]),
        "gamma_reparam.lower_bound.bound": torch.tensor([PEDESTAL**0.5]),
    }


def _saved(path: Path, state: object) -> Path:
    torch.save(state, path)
    return path


def _prefixed(prefix: str, state: dict) -> dict:
    return {f"{prefix}{key}": value for key, value in state.items()}


def test_a_state_of_compressai(tmp_path: Path):
    state = _compressai()
    inspected = inspect_file(_saved(tmp_path / "a.pth", {"state_dict": _prefixed("g_a.1.", state), "epoch": 3}))
    [layer] = inspected.layers
    assert (layer.name, layer.shown, layer.channels) == ("state_dict/g_a.1", "CompressAI's GDN", 4)
    assert [one.name for one in layer.readings] == ["gdn", "igdn", "gdn1", "igdn1"]
    ours = GDN(4)
    ours.load_state_dict(dict(state))
    x = torch.randn(2, 4, 3, 3, generator=torch.Generator().manual_seed(1))
    # localnorm's module has float32 parameters.
    np.testing.assert_allclose(
        layer.readings[0].forward(x.double().numpy()), ours(x).detach().numpy(), rtol=1e-6, atol=1e-6
    )
    assert all(small > 0.01 for small, _ in layer.differences()[1:])
    assert "leaves no trace" in inspected.remarks[0]


@pytest.mark.parametrize("prefix", ["", "net.0."])
def test_a_state_of_ours(prefix: str, tmp_path: Path):
    module = IGDN(4)
    [layer] = inspect_file(_saved(tmp_path / "a.pt", _prefixed(prefix, module.state_dict()))).layers
    assert layer.name == (prefix.rstrip(".") or "the model")
    x = torch.randn(2, 4, 3, 3)
    np.testing.assert_allclose(
        layer.readings[1].forward(x.double().numpy()), module(x).detach().numpy(), rtol=1e-6
    )


def test_learned_values(tmp_path: Path):
    module = nn.Sequential(LocalResponseNorm(5, learnable=True))
    [layer] = inspect_file(_saved(tmp_path / "a.pt", module.state_dict())).layers
    assert (layer.name, layer.readings) == ("0", ())
    assert layer.remarks[0].startswith("learned log_k, log_alpha, log_beta")


def test_a_state_without_either(tmp_path: Path):
    state = nn.Sequential(nn.Conv2d(3, 3, 1), nn.LayerNorm(3), nn.LocalResponseNorm(5)).state_dict()
    assert inspect_file(_saved(tmp_path / "a.pt", state)).layers == ()


@pytest.mark.parametrize("absent", _compressai())
def test_a_state_with_a_missing_key(absent: str, tmp_path: Path):
    state = {f"g_a.1.{key}": value for key, value in _compressai().items() if key != absent}
    with pytest.raises(
        ModelFileError, match=f"a.pt must hold all tensors of the GDN g_a.1, got none called {absent};"
    ):
        inspect_file(_saved(tmp_path / "a.pt", state))


def test_a_state_with_wrong_shapes(tmp_path: Path):
    state = {**_compressai(), "gamma": torch.ones(4, 3)}
    with pytest.raises(ModelFileError, match=r"got \(4,\) and \(4, 3\); this is no GDN's state"):
        inspect_file(_saved(tmp_path / "a.pt", state))


class Bomb:
    def __reduce__(self):
        return (sys.exit, (99,))


@pytest.mark.parametrize("zipped", [True, False])
def test_pickled_objects_are_never_loaded(zipped: bool, tmp_path: Path):
    path = tmp_path / "a.pt"
    torch.save({"a": torch.ones(1), "b": Bomb()}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(
        ModelFileError, match=r"a.pt must hold tensors alone, got pickled Python objects .*sys.exit"
    ):
        inspect_file(path)


def test_a_module_that_was_pickled(tmp_path: Path):
    with pytest.raises(ModelFileError, match=r"save model.state_dict.*, or inspect package.module:function"):
        inspect_file(_saved(tmp_path / "a.pt", nn.ReLU()))


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_a_scripted_module(tmp_path: Path):
    torch.jit.script(nn.ReLU()).save(tmp_path / "a.pt")
    with pytest.raises(ModelFileError, match="got a TorchScript archive, whose code is not run"):
        inspect_file(tmp_path / "a.pt")


def test_a_truncated_state(tmp_path: Path):
    path = _saved(tmp_path / "a.pt", _compressai())
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(ModelFileError, match=r"a.pt must be a readable zip archive"):
        inspect_file(path)
    path.write_bytes(b"\x80\x02" + data[:50])
    with pytest.raises(ModelFileError, match=r"a.pt must"):
        inspect_file(path)


def test_no_tensors(tmp_path: Path):
    with pytest.raises(ModelFileError, match="must hold named tensors, got list without any"):
        inspect_file(_saved(tmp_path / "a.pt", [1, 2]))


class LRN(nn.Module):
    """As many AlexNets have it: an average over channels, so alpha is divided."""

    def __init__(
        self, local_size: int = 5, alpha: float = 0.05, beta: float = 0.75, k: float = 2, divided: bool = True
    ):
        super().__init__()
        self.local_size, self.alpha, self.beta, self.k, self.divided = local_size, alpha, beta, k, divided
        self.average = nn.AvgPool3d((local_size, 1, 1), stride=1, padding=(local_size // 2, 0, 0))

    def forward(self, x):
        mean = self.average(x.pow(2)[:, None])[:, 0]
        return x / (self.k + self.alpha * (1 if self.divided else self.local_size + 1) * mean) ** self.beta


def test_layers_of_a_module():
    model = nn.Sequential(
        nn.Conv2d(3, 64, 1),
        nn.LocalResponseNorm(5, alpha=0.5),
        nn.Sequential(LocalResponseNorm(3, learnable="k"), GDN(64)),
        nn.CrossMapLRN2d(5),
        LRN(),
        LRN(divided=False),
    )
    torchs, ours, gdn, cross_map, right, wrong = inspect_module(model).layers
    assert (torchs.name, torchs.readings[0].rule, torchs.remarks) == ("1", LRNSpec.from_torch(5, 0.5), ())
    assert (ours.name, ours.remarks[0]) == ("2.0", "learned log_k; shown are the values they start from")
    assert (gdn.name, gdn.remarks) == ("2.1", ("x / sqrt(beta + gamma x^2)",))
    assert cross_map.remarks[0].startswith("warning: torch never subtracts channel 0, so channels from 3 on")
    assert right.shown == "LRN(local_size=5, alpha=0.05, beta=0.75, k=2)"
    assert [one.name for one in right.readings] == ["caffe"]
    assert right.remarks == ()
    assert wrong.remarks == ("warning: on random input it computes none of these; nearest is caffe",)


def test_a_module_alone_and_one_that_fails():
    class FailingLRN(LRN):
        def forward(self, _):
            raise RuntimeError("on purpose")

    [layer] = inspect_module(nn.LocalResponseNorm(5)).layers
    assert layer.name == "the model"
    [layer] = inspect_module(nn.Sequential(FailingLRN())).layers
    assert layer.remarks[0].endswith("RuntimeError: on purpose")


def test_an_even_cross_map_is_a_remark():
    [layer] = inspect_module(nn.Sequential(nn.CrossMapLRN2d(4))).layers
    assert layer.remarks[0].startswith("can't be read: size must be odd in torch_cross_map")


def test_another_object():
    with pytest.raises(ModelError, match=r"must return a torch.nn.Module or a Keras model, got int"):
        refuse(5)
