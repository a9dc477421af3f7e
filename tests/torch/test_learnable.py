"""Learned k, alpha and beta: their gradients, shapes and states, and what is refused."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.autograd import gradcheck, gradgradcheck

from conformance import DTYPES, Array, rounded
from edge_cases import EDGE_CASES, EdgeCase
from localnorm import LRNSpec, reference
from localnorm.errors import AxisError, DTypeError, InplaceError, LearnableError
from localnorm.learnable import NAMES
from localnorm.torch import LocalResponseNorm, array_ops
from localnorm.torch.call import Call
from localnorm.torch.functional import apply_spec
from localnorm.torch.traced import with_gradient
from tensors import NARROW, WIDE, as_tensor, random_tensor

BOX = LRNSpec(1, 1, 0.7, 0.75, 1.5, spatial=2)
SPECS = {"narrow": NARROW, "wide": WIDE, "box": BOX, "root": LRNSpec(1, 1, 3.0, 0.5, 1.0)}
every_spec = pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)


def _scalars(spec: LRNSpec) -> dict[str, torch.Tensor]:
    return {name: torch.tensor(getattr(spec, name), dtype=torch.float64, requires_grad=True) for name in NAMES}


def _per_channel(spec: LRNSpec, channels: int) -> dict[str, torch.Tensor]:
    """Values from one to two times those of the spec, each channel its own."""
    factors = torch.linspace(1, 2, channels, dtype=torch.float64)
    return {name: (getattr(spec, name) * factors.roll(n)).requires_grad_() for n, name in enumerate(NAMES)}


def _check_values(x: Array, dtype: str, spec: LRNSpec, axis: int, create_graph: bool) -> None:
    """Compare with the reference, relative to the sum of absolute terms, as no sum is better than that."""
    x = rounded(x, dtype)
    names = [name for name in NAMES if getattr(spec, name) > 0]
    grad = rounded(np.random.default_rng(1).normal(size=x.shape), dtype)
    values = {name: value for name, value in _scalars(spec).items() if name in names}
    y = apply_spec(as_tensor(x, dtype), spec, axis, inplace=False, learned=values)
    got = torch.autograd.grad(y, list(values.values()), as_tensor(grad, dtype), create_graph=create_graph)
    want = reference.gradients(x, grad, spec, axis)
    terms = reference.gradients(np.abs(x), np.abs(grad), spec, axis)
    for name, value in zip(names, got, strict=True):
        # Every term has one sign there but those of beta, log(s), which for it are bounded by their largest.
        size = abs(getattr(terms, name)) if name != "beta" else _largest_of_beta(x, grad, spec, axis)
        if np.isfinite(getattr(want, name)):
            # Terms err by a few epsilons each of the arithmetic: float32 in the compiled kernel, else float64.
            epsilons = 1e-13 if dtype == "float64" else 8 * 2.0**-23
            assert abs(value.item() - getattr(want, name)) <= epsilons * size + 1e-300, name
        else:
            assert not np.isfinite(value.item()), name


def _largest_of_beta(x: Array, grad: Array, spec: LRNSpec, axis: int) -> float:
    with np.errstate(all="ignore"):
        y = np.abs(grad * reference.forward(x, spec, axis))
        return float(np.nansum(y) * 1500)  # no logarithm of a float64 square is larger


@pytest.mark.sampled(1 / 4, "edge_case.name create_graph", "dtype create_graph")
@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize(
    ("edge_case", "dtype"),
    [pytest.param(h, dtype, id=f"{h.name}-{dtype}") for h in EDGE_CASES for dtype in h.dtypes if h.spec.alpha],
)
def test_edge_cases(edge_case: EdgeCase, dtype: str, create_graph: bool):
    _check_values(edge_case.x(), dtype, edge_case.spec, edge_case.axis, create_graph)


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("scale", [1.0, 100.0, 1e-3])
@every_spec
def test_random(spec: LRNSpec, dtype: str, scale: float, create_graph: bool):
    x = scale * np.random.default_rng(0).normal(size=(3, 20, 4, 5))
    _check_values(x, dtype, spec, 1, create_graph)


@pytest.mark.parametrize("alpha", [1e-9, 1e9, 1e-40, 1e40])
def test_far_alpha(alpha: float):
    x = np.random.default_rng(0).normal(size=(3, 9, 4)) / np.sqrt(alpha)
    _check_values(x, "float64", LRNSpec(2, 1, alpha, 0.75, 1.5), 1, create_graph=False)
    _check_values(x, "float64", LRNSpec(2, 1, alpha, 0.75, 1.5), 1, create_graph=True)


@pytest.mark.parametrize("spatial", [0, 2])
def test_one_value_a_channel(spatial: int):
    """By difference quotients, and against one module a value where the window spans no channels."""
    spec = LRNSpec(1, 1, 0.7, 0.75, 1.5, spatial)
    values, x = _per_channel(spec, 3), random_tensor(2, 3, 4, 3, grad=True)

    def compute(x: torch.Tensor, *learned: torch.Tensor) -> torch.Tensor:
        return apply_spec(x, spec, 1, inplace=False, learned=dict(zip(NAMES, learned, strict=True)))

    assert gradcheck(compute, (x, *values.values()))
    assert gradgradcheck(compute, (x, *values.values()))
    y = compute(x, *values.values())
    for channel in range(3):
        alone = LRNSpec(1, 1, *(values[name][channel].item() for name in ("alpha", "beta", "k")), spatial)
        want = reference.forward(x.detach().numpy(), alone)[:, channel]
        np.testing.assert_allclose(y[:, channel].detach().numpy(), want, rtol=4e-15)


@pytest.mark.parametrize("spec", [NARROW, BOX], ids=["across", "within"])
@pytest.mark.parametrize("x", [1.0, 1e200], ids=["ordinary", "overflowing"])
def test_traced_and_eager_agree_a_channel(spec: LRNSpec, x: float):
    values, x = _per_channel(spec, 5), (x * random_tensor(2, 5, 4, 3)).requires_grad_()
    axes = (2, 3) if spec.spatial else (1,)
    shaped = {name: value.reshape(1, 5, 1, 1) for name, value in values.items()}
    eager = apply_spec(x, spec, 1, inplace=False, learned=values)
    traced = with_gradient(Call(x, spec, axes, shaped))
    torch.testing.assert_close(traced, eager, rtol=1e-14, atol=0)
    grad, wanted = random_tensor(2, 5, 4, 3).flip(0), [x, *values.values()]
    for a, b in zip(*(torch.autograd.grad(y, wanted, grad) for y in (traced, eager)), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12 * b.abs().max().item())


@pytest.mark.parametrize("spec", [NARROW, BOX], ids=["across", "within"])
@pytest.mark.parametrize("spike", [1.0, 1e200], ids=["ordinary", "overflowing"])
def test_blocks_do_not_show(spec: LRNSpec, spike: float, monkeypatch: pytest.MonkeyPatch):
    x = random_tensor(3, 16, 25, 26)
    x[1, 7, 3, 4] *= spike
    found = []
    for elements in (2**20, 2**12):
        monkeypatch.setattr(array_ops, "_ELEMENTS_PER_THREAD", elements)
        values = _per_channel(spec, 16)
        y = apply_spec(x, spec, 1, inplace=False, learned=values)
        found.append([y, *torch.autograd.grad(y, list(values.values()), random_tensor(*x.shape).flip(0))])
    for whole, cut in zip(*found, strict=True):
        torch.testing.assert_close(cut, whole, rtol=1e-12, atol=1e-12 * whole.abs().max().item())


@every_spec
def test_second_derivatives(spec: LRNSpec):
    def compute(x: torch.Tensor, *values: torch.Tensor) -> torch.Tensor:
        return apply_spec(x, spec, 1, inplace=False, learned=dict(zip(NAMES, values, strict=True)))

    inputs = (random_tensor(2, 3, 3, 2, grad=True), *_scalars(spec).values())
    assert gradcheck(compute, inputs)
    assert gradgradcheck(compute, inputs)


@pytest.mark.parametrize("x", [1.0, 1e70, 1e200, 1e-200])
def test_second_derivatives_far_from_one(x: float):
    """With k = 0 the output does not change with the scale of x, nor does the scaled second derivative."""
    spec = LRNSpec(2, 1, 0.7, 0.5, 0.0)
    ones = random_tensor(2, 6)

    def second(scale: float) -> torch.Tensor:
        leaf = (scale * ones).requires_grad_()
        (grad,) = torch.autograd.grad(apply_spec(leaf, spec, 1, inplace=False).sum(), leaf, create_graph=True)
        return torch.autograd.grad((grad * scale).sum(), leaf)[0] * scale

    torch.testing.assert_close(second(x), second(1.0), rtol=1e-9, atol=1e-12)


def test_alpha_0_learns_the_others():
    spec = LRNSpec(1, 1, 0.0, 0.75, 2.0)
    layer = LocalResponseNorm.from_spec(spec, learnable={"k", "beta"})
    x = random_tensor(3, 4)
    layer(x).sum().backward()
    want = reference.gradients(x.numpy(), np.ones(x.shape), spec)
    assert layer.log_k.grad.item() == pytest.approx(want.k * 2.0, rel=1e-6)
    assert layer.log_beta.grad.item() == pytest.approx(want.beta * 0.75, rel=1e-6)


@pytest.mark.parametrize("per_channel", [False, True])
def test_only_the_input_is_kept(per_channel: bool):
    kept = []
    layer = LocalResponseNorm(5, learnable=True, per_channel=per_channel, num_channels=20)
    x = random_tensor(2, 20, 30, dtype=torch.float32, grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        layer(x)
    large = [t for t in kept if t.numel() > 20]
    assert [(t.data_ptr(), t.shape, t.dtype) for t in large] == [(x.data_ptr(), x.shape, x.dtype)]


def test_initial_values_are_exact_and_the_spec_stays():
    layer = LocalResponseNorm(5, 1e-4, 0.75, 2.0, learnable=True)
    assert [name for name, _ in layer.named_parameters()] == ["log_k", "log_alpha", "log_beta"]
    assert (layer.k.item(), layer.alpha.item(), layer.beta.item()) == (2.0, 1e-4, 0.75)
    assert layer.k.requires_grad
    assert layer.current_spec() == layer.spec
    x = random_tensor(2, 9, 4)
    fixed = LocalResponseNorm(5, 1e-4, 0.75, 2.0)
    torch.testing.assert_close(layer(x), fixed(x), rtol=1e-15, atol=0)
    with torch.no_grad():
        layer.log_k += 1.0
    assert layer.spec == fixed.spec
    assert layer.current_spec().k == pytest.approx(2 * np.e)
    x_with_k = LocalResponseNorm.from_spec(layer.current_spec())(x)
    torch.testing.assert_close(layer(x), x_with_k, rtol=1e-14, atol=0)


def test_fixed_values_are_numbers():
    layer = LocalResponseNorm(5, learnable="beta")
    assert (layer.k, layer.alpha) == (1.0, 1e-4)
    assert isinstance(layer.beta, torch.Tensor)
    assert list(layer.state_dict()) == ["log_beta"]


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ({}, ""),
        ({"per_channel": True, "num_channels": 3}, ""),
        ({"learnable": True}, ", learnable=True"),
        ({"learnable": {"k", "beta"}}, ", learnable=('k', 'beta')"),
        ({"learnable": "k", "per_channel": True}, ", learnable=('k',), per_channel=True"),
    ],
)
def test_repr(arguments: dict, shown: str):
    layer = LocalResponseNorm(5, **arguments)
    assert repr(layer) == f"LocalResponseNorm(5, alpha=0.0001, beta=0.75, k=1.0{shown})"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("training", [False, True])
def test_training_moves_every_value(dtype: str, training: bool):
    layer = LocalResponseNorm(5, 0.5, learnable=True, per_channel=True, num_channels=6).train(training)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    x = random_tensor(4, 6, 3, dtype=getattr(torch, dtype))
    layer(x).float().square().sum().backward()
    optimizer.step()
    assert layer(x).dtype == x.dtype
    for name in NAMES:
        assert (getattr(layer, f"log_{name}") != 0).all()
        assert (getattr(layer, name) > 0).all()


def test_no_grad_autocast_and_half():
    layer, x = LocalResponseNorm(5, 0.5, learnable=True), random_tensor(4, 6, 3, dtype=torch.bfloat16)
    want = LocalResponseNorm(5, 0.5)(x)
    with torch.no_grad():
        assert torch.equal(layer(x), want)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(layer(x), want)
    assert torch.equal(layer.bfloat16()(x), want)


class TestLazy:
    """One value a channel, before the number of channels is known."""

    def layer(self) -> LocalResponseNorm:
        return LocalResponseNorm(5, 0.5, learnable=True, per_channel=True)

    def test_made_at_the_first_call(self):
        layer, x = self.layer(), random_tensor(2, 7, 3, dtype=torch.float32)
        optimizer = torch.optim.Adam(layer.parameters())
        assert all(isinstance(p, nn.parameter.UninitializedParameter) for p in layer.parameters())
        with torch.inference_mode():
            first = layer(x)
        assert [p.shape for p in layer.parameters()] == [(7,)] * 3
        assert torch.equal(first, LocalResponseNorm(5, 0.5)(x))
        layer(x).square().sum().backward()
        optimizer.step()
        assert all((p != 0).all() for p in layer.parameters())

    def test_made_from_a_state(self):
        known = LocalResponseNorm(5, 0.5, learnable=True, per_channel=True, num_channels=4)
        nn.init.normal_(known.log_k)
        layer = nn.Sequential(self.layer())
        layer.load_state_dict(nn.Sequential(known).state_dict())
        assert torch.equal(layer[0].k, known.k)

    def test_copied_and_saved_without_a_shape(self):
        layer = copy.deepcopy(self.layer())
        layer.load_state_dict(self.layer().state_dict())
        assert layer(torch.ones(2, 3)).shape == (2, 3)

    def test_needs_channels_to_be_read_or_compiled(self):
        with pytest.raises(LearnableError, match=r"k has no value a channel before .* call the module once"):
            _ = self.layer().k
        compiled = torch.compile(self.layer(), backend="eager", fullgraph=True)
        with pytest.raises(torch._dynamo.exc.Unsupported, match="must know its number of channels, got none yet"):
            compiled(torch.ones(2, 3))

    def test_a_bad_input_leaves_it_as_it_was(self):
        layer = self.layer()
        with pytest.raises(DTypeError):
            layer(torch.ones(2, 3, dtype=torch.int64))
        assert layer(torch.ones(2, 5)).shape == (2, 5)


@pytest.mark.parametrize("per_channel", [False, True])
def test_state_and_copies(per_channel: bool):
    arguments = {"learnable": True, "per_channel": per_channel, "num_channels": 4}
    layer, other = LocalResponseNorm(5, **arguments), LocalResponseNorm(5, **arguments)
    for parameter in layer.parameters():
        nn.init.normal_(parameter)
    other.load_state_dict(layer.state_dict())
    x = random_tensor(2, 4, 3)
    assert torch.equal(other(x), layer(x))
    assert torch.equal(copy.deepcopy(layer)(x), layer(x))


# Dynamo makes an object of every autograd function that it traces, which torch itself warns of.
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")
@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("spatial", [0, 2])
def test_graphs_without_values(per_channel: bool, spatial: int):
    spec = LRNSpec(2, 2, 0.2, 0.75, 1.0, spatial)
    layer = LocalResponseNorm.from_spec(spec, learnable=True, per_channel=per_channel, num_channels=9)
    x = random_tensor(2, 9, 4, 5, dtype=torch.float32)
    compiled = torch.compile(layer, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(x), layer(x), rtol=1e-6, atol=0)
    gradients = (torch.autograd.grad(run(x).square().sum(), layer.parameters()) for run in (compiled, layer))
    for got, want in zip(*gradients, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-6)
    exported = torch.export.export(layer, (x,)).module()
    torch.testing.assert_close(exported(x), layer(x), rtol=1e-6, atol=0)


def test_inplace_only_without_gradients():
    layer, x = LocalResponseNorm(5, inplace=True, learnable=True), torch.ones(2, 5)
    with pytest.raises(
        InplaceError, match=r"needs, got learned values with requires_grad=True; use inplace=False"
    ):
        layer(x)
    assert (x == 1).all()
    with torch.no_grad():
        assert layer(x) is x


REFUSED = {
    "misspelt": ({"learnable": {"aplha"}}, r"out of k, alpha, beta, got 'aplha'; check the spelling"),
    "a number": ({"learnable": 3}, r"True, False or names out of k, alpha, beta, got 3; pass True"),
    "k=0": ({"learnable": True, "k": 0.0}, r"k must be positive to be learned, .* got 0.0; start at a small"),
    "no channels": ({"learnable": True, "per_channel": True, "num_channels": 0}, r"at least 1, got 0; pass num"),
    "half": (
        {"learnable": True, "per_channel": True, "num_channels": 2.5},
        r"whole number of at least 1, got 2.5",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_when_it_is_built(name: str):
    arguments, text = REFUSED[name]
    with pytest.raises(LearnableError, match=text):
        LocalResponseNorm(5, **arguments)


def test_refused_later():
    layer = LocalResponseNorm(5, learnable={"k", "alpha"}, per_channel=True, num_channels=4)
    with pytest.raises(AxisError, match=r"one channel for each learned value, 4 along axis 1, got 3; pass num_ch"):
        layer(torch.ones(2, 3))
    with pytest.raises(
        LearnableError, match=r"got a module with per_channel=True; read module.k, module.alpha, one"
    ):
        layer.current_spec()
