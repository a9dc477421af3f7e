"""Uses that people reported in public: each kind with the right value from float64 NumPy by the formula."""

from __future__ import annotations

import copy
import pickle
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, distributed, fx, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.nn import functional

from localnorm import LRNSpec, reference
from localnorm.errors import DTypeError, LearnableError, ModelError, SpecError
from localnorm.torch import GDN, IGDN, LocalResponseNorm, local_response_norm, replace_lrn

DEFAULTS = {"alpha": 0.7, "beta": 0.75, "k": 1.3}


def x_of(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(dtype)


def expected(x: Tensor, size: int = 5, **values: float) -> np.ndarray:
    return reference.forward(x.double().numpy(), LRNSpec.from_torch(size, **{**DEFAULTS, **values}))


every_value = pytest.mark.parametrize("name", ["alpha", "beta", "k"])


@every_value
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(), (1,)])
def test_a_tensor_as_a_value_gets_its_gradient(name: str, dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    x, value = x_of(2, 7, 3, 4), torch.full(shape, DEFAULTS[name], dtype=dtype, requires_grad=True)
    y = local_response_norm(x, 5, **{**DEFAULTS, name: value})
    np.testing.assert_allclose(y.detach().numpy(), expected(x, **{name: value.item()}), rtol=1e-12)
    y.square().sum().backward()
    plain = torch.tensor(value.item(), dtype=torch.float64, requires_grad=True)
    functional.local_response_norm(x, 5, **{**DEFAULTS, name: plain}).square().sum().backward()
    assert value.grad is not None
    assert plain.grad is not None
    assert value.grad.shape == shape
    torch.testing.assert_close(value.grad.double().reshape(()), plain.grad, rtol=1e-6, atol=0)


@every_value
@pytest.mark.parametrize(
    "make",
    [
        lambda f: f,
        lambda f: torch.compile(f, backend="eager"),
        lambda f: torch.jit.trace(f, (x_of(2, 7, 3, 4), torch.tensor(0.5, dtype=torch.float64))),
    ],
    ids=["eager", "compile", "trace"],
)
def test_a_value_is_never_frozen(
    name: str, make: Callable[[Callable[..., Tensor]], Callable[..., Tensor]]
) -> None:
    x = x_of(2, 7, 3, 4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        function = make(lambda x, value: local_response_norm(x, 5, **{**DEFAULTS, name: value}))
    for value in (0.5, 3.0):
        y = function(x, torch.tensor(value, dtype=torch.float64))
        np.testing.assert_allclose(y.numpy(), expected(x, **{name: value}), rtol=1e-12)


@every_value
def test_torch_func_differentiates_by_a_value(name: str) -> None:
    x = x_of(2, 7)

    def loss(value: Tensor) -> Tensor:
        return local_response_norm(x, 5, **{**DEFAULTS, name: value}).square().sum()

    value, step = torch.tensor(DEFAULTS[name], dtype=torch.float64), 1e-6
    numeric = (loss(value + step) - loss(value - step)) / (2 * step)
    torch.testing.assert_close(torch.func.grad(loss)(value), numeric, rtol=1e-6, atol=1e-9)


def test_values_that_define_no_lrn_are_refused() -> None:
    for value in (torch.ones(7), torch.tensor(1j), torch.tensor(True)):
        with pytest.raises(SpecError, match="a number or a tensor of one real element"):
            local_response_norm(x_of(2, 7), 5, alpha=value)


@every_value
@pytest.mark.parametrize(
    "value",
    [torch.tensor(0.5), nn.Parameter(torch.tensor(0.5)), torch.tensor([0.5])],
    ids=["tensor", "parameter", "1d"],
)
def test_layers_and_specs_refuse_tensors(name: str, value: Tensor) -> None:
    for build in (LocalResponseNorm, LRNSpec.from_torch):
        with pytest.raises(SpecError, match=f'{name} must be a plain number.*learnable="{name}"'):
            build(5, **{**DEFAULTS, name: value})
    model = nn.Sequential(nn.LocalResponseNorm(5, **{**DEFAULTS, name: value}))
    with pytest.raises(ModelError, match=f"{name} must be a plain number|has parameters"):
        replace_lrn(model)


@pytest.mark.parametrize("value", [np.float32(0.5), np.float64(0.5), np.array(0.5), 1, np.int64(1)])
def test_numbers_of_numpy_are_numbers(value: float) -> None:
    assert LRNSpec.from_torch(1, alpha=value).alpha == float(value)


class Functional(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(local_response_norm(torch.relu(x), 5, k=2.0))


@pytest.mark.parametrize(
    ("model", "calls"),
    [
        (LocalResponseNorm(5), 1),
        (nn.Sequential(nn.ReLU(), LocalResponseNorm(4, 0.3, dim=-1)), 1),
        (LocalResponseNorm.from_spec(LRNSpec(2, 0, 0.5, 0.75, 1.0)), None),
        (LocalResponseNorm.from_spec(LRNSpec(1, 1, 0.5, 0.75, 1.0, spatial=2)), None),
        (nn.Sequential(LocalResponseNorm(5, learnable=True)), None),
        (nn.Sequential(LocalResponseNorm(5, learnable=True, per_channel=True, num_channels=7)), None),
        (Functional(), 3),
        (nn.Sequential(GDN(7), IGDN(7)), 2),
    ],
    ids=["layer", "sequential", "one-sided", "spatial", "learned", "per channel", "function", "gdn"],
)
def test_torch_fx_records_a_model(model: nn.Module, calls: int | None) -> None:
    graph, x = fx.symbolic_trace(model), x_of(2, 7, 4, 4, dtype=torch.float32)
    torch.testing.assert_close(graph(x), model(x), rtol=0, atol=0)
    if calls is not None:
        assert sum(node.op == "call_function" for node in graph.graph.nodes) == calls
    for parameter in graph.parameters():
        assert parameter.requires_grad
    torch.testing.assert_close(copy.deepcopy(graph)(x), model(x), rtol=0, atol=0)


def test_torch_jit_script_names_the_ways() -> None:
    for model in (LocalResponseNorm(5), nn.Sequential(nn.ReLU(), LocalResponseNorm(5, learnable=True))):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            with pytest.raises(ModelError, match=r"use torch\.jit\.trace or torch\.export, or call .*restore_lrn"):
                torch.jit.script(model)


def test_a_trace_takes_more_channels_than_it_saw() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        traced = torch.jit.trace(LocalResponseNorm(5, **DEFAULTS), x_of(1, 2, 3, 3))
    for channels in (1, 2, 9):
        x = x_of(2, channels, 4, 3)
        np.testing.assert_allclose(traced(x).numpy(), expected(x), rtol=1e-12)


def test_complex_input_is_told_what_keeps_it() -> None:
    with pytest.raises(DTypeError, match=r"normalize x\.abs\(\), or x\.real and x\.imag"):
        local_response_norm(torch.ones(2, 3, dtype=torch.complex64), 3)


def test_false_as_a_number_as_torch_has_it() -> None:
    model, x = nn.Sequential(nn.LocalResponseNorm(3, 1, 2, False)), x_of(2, 7, 3)
    want = model(x)
    replace_lrn(model)
    torch.testing.assert_close(model(x), want)


LEARNED = {
    "learned": lambda **where: LocalResponseNorm(5, learnable=True, **where),
    "per channel": lambda **where: LocalResponseNorm(5, learnable=True, per_channel=True, num_channels=7, **where),
    "GDN": lambda **where: GDN(7, **where),
    "IGDN": lambda **where: GDN(7, inverse=True, **where),
}
every_learned = pytest.mark.parametrize("make", LEARNED.values(), ids=LEARNED)


@every_learned
def test_device_dtype_and_reset_of_layers_with_parameters(make: Callable[..., nn.Module]) -> None:
    first, layer = make(dtype=torch.float64), make(dtype=torch.float64)
    assert {parameter.dtype for parameter in layer.parameters()} == {torch.float64}
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(0.3)
    layer.reset_parameters()
    for new, old in zip(layer.parameters(), first.parameters(), strict=True):
        assert torch.equal(new, old)
    meta = make(device="meta")
    assert all(parameter.is_meta for parameter in meta.parameters())
    meta.to_empty(device="cpu")
    meta.reset_parameters()
    x = x_of(2, 7, 3, 3)
    torch.testing.assert_close(meta(x), first(x), rtol=1e-6, atol=1e-9)


@every_learned
def test_parameters_have_an_axis_and_layers_pickle(make: Callable[..., nn.Module]) -> None:
    layer = make()
    assert all(parameter.ndim for parameter in layer.parameters())
    same, x = pickle.loads(pickle.dumps(layer)), x_of(2, 7, 3, 3)  # noqa: S301  what the test wrote
    assert torch.equal(same(x), layer(x))
    assert torch.equal(copy.deepcopy(layer)(x), layer(x))


@every_learned
def test_fully_sharded_layers_train_as_they_do_alone(make: Callable[..., nn.Module], tmp_path: Path) -> None:
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Conv2d(3, 7, 3), make()), x_of(2, 3, 6, 6, dtype=torch.float32)
    alone = copy.deepcopy(model)
    distributed.init_process_group(
        "gloo", store=distributed.FileStore(str(tmp_path / "s"), 1), rank=0, world_size=1
    )
    try:
        sharded = fully_shard(model, mesh=init_device_mesh("cpu", (1,)))
        for network in (sharded, alone):
            optimizer = torch.optim.SGD(network.parameters(), 0.1)
            for _ in range(2):
                optimizer.zero_grad()
                network(x).square().mean().backward()
                optimizer.step()
        torch.testing.assert_close(sharded(x), alone(x))
        assert not torch.equal(
            alone[1](x_of(1, 7, 2, 2, dtype=torch.float32)), make()(x_of(1, 7, 2, 2, dtype=torch.float32))
        )
    finally:
        distributed.destroy_process_group()


def test_quantization_by_torch_fx_takes_the_layer() -> None:
    from torch.ao.quantization import get_default_qconfig_mapping
    from torch.ao.quantization.quantize_fx import prepare_fx

    model, x = nn.Sequential(nn.Conv2d(3, 7, 3), LocalResponseNorm(5), nn.ReLU()).eval(), x_of(2, 3, 6, 6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch, about its module
        prepared = prepare_fx(model.double(), get_default_qconfig_mapping(), (x,))
    torch.testing.assert_close(prepared(x), model(x))


def test_skip_init() -> None:
    assert nn.utils.skip_init(GDN, 8).beta.shape == (8,)
    assert nn.utils.skip_init(LocalResponseNorm, 5, learnable=True).log_k.shape == (1,)


def test_states_with_parameters_without_an_axis_still_load() -> None:
    layer = LocalResponseNorm(5, learnable=True)
    layer.load_state_dict({f"log_{name}": torch.tensor(0.25) for name in ("k", "alpha", "beta")})
    assert layer.current_spec().k == pytest.approx(np.exp(0.25))


@pytest.mark.parametrize("name", ["alpha", "beta", "k"])
def test_values_of_a_layer_can_be_set(name: str) -> None:
    layer, x = LocalResponseNorm(5, **DEFAULTS), x_of(2, 7)
    setattr(layer, name, 0.4)
    assert getattr(layer, name) == 0.4
    np.testing.assert_allclose(layer(x).numpy(), expected(x, **{name: 0.4}), rtol=1e-12)
    for value in (torch.tensor(0.4), nn.Parameter(torch.tensor(0.4))):
        with pytest.raises(SpecError, match="must be a plain number"):
            setattr(layer, name, value)
    with pytest.raises(LearnableError, match=f"set the parameter log_{name}"):
        setattr(LocalResponseNorm(5, learnable=True), name, 0.4)


def compressai_state(beta: Tensor, gamma: Tensor, prefix: str = "") -> dict[str, Tensor]:
    """A state as CompressAI writes it: roots of the values plus a pedestal, and buffers that hold both bounds."""
    pedestal = torch.tensor(2.0**-36)
    state = {}
    for name, value, least in (("beta", beta, 1e-6), ("gamma", gamma, 0.0)):
        state[f"{prefix}{name}"] = (value + pedestal).sqrt()
        state[f"{prefix}{name}_reparam.pedestal"] = pedestal
        state[f"{prefix}{name}_reparam.lower_bound.bound"] = torch.tensor([(least + 2.0**-36) ** 0.5])
    return state


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("inverse", [True, False])
def test_a_state_of_compressai_means_what_it_meant(strict: bool, inverse: bool) -> None:
    rng = np.random.default_rng(0)
    beta, gamma = rng.uniform(0.5, 2, 6), rng.uniform(0, 0.4, (6, 6)) * (rng.random((6, 6)) < 0.7)
    model = nn.Sequential(nn.Identity(), GDN(6, inverse=inverse, dtype=torch.float64))
    state = compressai_state(torch.from_numpy(beta), torch.from_numpy(gamma), "1.")
    assert not any(model.load_state_dict(state, strict=strict))
    x = rng.normal(size=(2, 6, 4, 3))
    root = np.sqrt(beta[:, None, None] + np.einsum("ij,njhw->nihw", gamma, x**2))
    want = x * root if inverse else x / root
    np.testing.assert_allclose(model(torch.from_numpy(x)).detach().numpy(), want, rtol=1e-6)


@pytest.mark.parametrize("dynamo", [False, True])
@pytest.mark.parametrize("kind", [GDN, IGDN])
def test_gdn_runs_in_every_onnx_runtime(kind: type[GDN], dynamo: bool, tmp_path: Path) -> None:
    ort, cv2, openvino = (pytest.importorskip(name) for name in ("onnxruntime", "cv2", "openvino"))
    layer, x, file = (
        kind(6, gamma_init=0.3).eval(),
        x_of(2, 6, 5, 4, dtype=torch.float32),
        str(tmp_path / "gdn.onnx"),
    )
    with torch.no_grad():
        layer.gamma.add_(torch.rand(6, 6) * 0.2)
        want = layer(x).numpy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(layer, (x,), file, dynamo=dynamo, verbose=False)
    session = ort.InferenceSession(file)
    net = cv2.dnn.readNetFromONNX(file)
    net.setInput(x.numpy())
    # By default OpenVINO computes in bfloat16 where the processor can.
    compiled = openvino.Core().compile_model(file, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    results = (
        session.run(None, {session.get_inputs()[0].name: x.numpy()})[0],
        net.forward(),
        compiled(x.numpy())[0],
    )
    for result in results:
        np.testing.assert_allclose(result, want, rtol=1e-6, atol=1e-6)
