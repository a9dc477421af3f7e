"""GDN and IGDN against their formula in float64, and against the LRN that they can be."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from conformance import Array, rounded
from localnorm import LRNSpec
from localnorm.errors import AxisError, DTypeError, LearnableError, SpecError
from localnorm.torch import GDN, GDN1, IGDN, LocalResponseNorm
from tensors import DTYPES, as_tensor, random_tensor

every_kind = pytest.mark.parametrize("kind", [GDN, IGDN, GDN1])
every_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: str(dtype).removeprefix("torch."))
EPSILONS = {torch.float16: 2.0**-11, torch.bfloat16: 2.0**-8, torch.float32: 2.0**-24, torch.float64: 2.0**-53}


def _random(kind: type[GDN], channels: int, dim: int = 1) -> GDN:
    """A module whose weights are random, some of them below their bounds."""
    layer, rng = kind(channels, dim=dim), np.random.default_rng(0)
    layer.load_state_dict(
        {
            "beta": torch.from_numpy(rng.uniform(-0.5, 2, channels)),
            "gamma": torch.from_numpy(rng.uniform(-0.5, 1, (channels, channels))),
        }
    )
    return layer


def _formula(layer: GDN, x: Array) -> Array:
    """In the widest float of the platform, whose squares do not overflow."""
    beta = np.maximum(layer.beta.detach().double().numpy(), np.float32(layer.beta_min))
    gamma = np.maximum(layer.gamma.detach().double().numpy(), 0)
    last = np.moveaxis(x.astype(np.longdouble), layer.dim, -1)
    power = 1 if isinstance(layer, GDN1) else 2
    root = (beta + np.einsum("ij,...j->...i", gamma, np.abs(last) ** power)) ** (np.longdouble(1) / power)
    return np.moveaxis(last * root if isinstance(layer, IGDN) else last / root, -1, layer.dim).astype(np.float64)


@every_kind
@every_dtype
@pytest.mark.parametrize(
    ("shape", "dim"),
    [((5,), 0), ((3, 5), 1), ((3, 5, 4), 1), ((3, 4, 5), -1), ((2, 5, 3, 4), 1), ((5, 2, 3, 4, 2), 0)],
)
def test_formula(kind: type[GDN], dtype: torch.dtype, shape: tuple[int, ...], dim: int):
    layer, name = _random(kind, 5, dim), str(dtype).removeprefix("torch.")
    x = rounded(3 * np.random.default_rng(1).normal(size=shape), name)
    y = layer(as_tensor(x, name))
    assert y.dtype == dtype
    # Half a unit for the rounding; in float64 sums of positive terms, a root and a quotient err by as much each.
    bound = EPSILONS[dtype] * (8 if dtype == torch.float64 else 1.01)
    np.testing.assert_allclose(y.detach().double().numpy(), _formula(layer, x), rtol=bound, atol=2.0**-25)


@pytest.mark.parametrize(
    ("dtype", "scale"),
    [
        (torch.float16, 300.0),
        (torch.bfloat16, 1e30),
        (torch.float32, 1e30),
        (torch.float64, 1e30),
        (torch.float64, 1e200),
        (torch.float64, 1e308),
    ],
)
def test_squares_that_overflow(dtype: torch.dtype, scale: float):
    layer, name = _random(GDN, 4), str(dtype).removeprefix("torch.")
    x = rounded(scale * np.array([[0.5, -1.0, 1e-3, 1.0], [1.0, 1.0, 1.0, 1.0]]), name)
    leaf = as_tensor(x, name).requires_grad_()
    y = layer(leaf)
    np.testing.assert_allclose(y.detach().double().numpy(), _formula(layer, x), rtol=8 * EPSILONS[dtype])
    assert (y != 0).all()
    (grad,) = torch.autograd.grad(y.sum(), leaf)
    assert grad.isfinite().all()


def test_inverse_of_large_activations():
    layer = _random(IGDN, 3)
    x = np.array([[1e150, 1.0, -1e148]])
    np.testing.assert_allclose(layer(torch.from_numpy(x)).detach().numpy(), _formula(layer, x), rtol=1e-15)


def _positive(kind: type[GDN]) -> GDN:
    layer = _random(kind, 3).double()
    for parameter in layer.parameters():
        parameter.data = parameter.data.abs() + 0.1  # bounds have no two-sided derivative
    return layer


@every_kind
def test_derivatives_of_both_orders(kind: type[GDN]):
    layer, x = _positive(kind), random_tensor(2, 3, 2, grad=True)
    beta, gamma = (p.detach().requires_grad_() for p in (layer.beta, layer.gamma))

    def compute(x: torch.Tensor, beta: torch.Tensor, gamma: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(layer, {"beta": beta, "gamma": gamma}, (x,))

    assert gradcheck(compute, (x, beta, gamma))
    assert gradgradcheck(compute, (x, beta, gamma))


@every_kind
def test_a_gradient_passes_a_bound_upwards_only(kind: type[GDN]):
    for sign in (1.0, -1.0):
        layer = kind(2, beta_min=0.5)
        layer.load_state_dict({"beta": torch.tensor([0.4, 0.6]), "gamma": torch.tensor([[-0.1, 0.2], [0.0, 0.3]])})
        (sign * layer(torch.tensor([[1.0, 2.0]]))).sum().backward()
        # More weight is less output for GDN, more for IGDN; a step goes against the gradient.
        raises = (sign < 0) == (kind is IGDN)
        assert (layer.beta.grad != 0).tolist() == [raises, True]
        assert (layer.gamma.grad != 0).tolist() == [[raises, True], [True, True]]


def test_training_widens_a_band_of_zeros():
    """Weights of 0 learn: the neighbours that the target divides by are found."""
    target = GDN.from_spec(LRNSpec(1, 1, 1.0, 0.5, 1.0), 4)
    layer = GDN.from_spec(LRNSpec(0, 0, 1.0, 0.5, 1.0), 4)
    x = random_tensor(256, 4, dtype=torch.float32)
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.05)
    for _ in range(300):
        optimizer.zero_grad()
        (layer(x) - target(x).detach()).square().mean().backward()
        optimizer.step()
    torch.testing.assert_close(layer.gamma.clamp(min=0), target.gamma, rtol=0, atol=0.15)


LRNS = [LRNSpec(2, 1, 0.75, 0.5, 1.5), LRNSpec(0, 3, 2.0, 0.5, 0.25), LRNSpec(9, 9, 0.125, 0.5, 2.0**-30)]


@pytest.mark.parametrize("spec", LRNS, ids=str)
@pytest.mark.parametrize("dim", [1, -1])
def test_a_band_is_lrn(spec: LRNSpec, dim: int):
    """With alpha and k that float32 holds, to a few epsilons of float64, forward and gradient."""
    x = random_tensor(3, 6, 4, 6, grad=True)
    grad = random_tensor(3, 6, 4, 6).flip(0)
    gdn, lrn = GDN.from_spec(spec, 6, dim=dim), LocalResponseNorm.from_spec(spec, dim=dim)
    torch.testing.assert_close(gdn(x), lrn(x), rtol=4e-15, atol=0)
    got, want = (torch.autograd.grad(layer(x), x, grad)[0] for layer in (gdn, lrn))
    torch.testing.assert_close(got, want, rtol=0, atol=4e-15 * max(1.0, want.abs().max().item()))


def test_an_inverse_band_is_lrn_with_a_negative_beta():
    spec, x = LRNSpec(2, 1, 0.75, -0.5, 1.5), random_tensor(3, 6, 4)
    torch.testing.assert_close(
        IGDN.from_spec(spec, 6)(x), LocalResponseNorm.from_spec(spec)(x), rtol=4e-15, atol=0
    )


def test_memory_format_state_and_repr():
    layer = _random(GDN, 5)
    x = random_tensor(2, 5, 3, 4).to(memory_format=torch.channels_last)
    assert layer(x).is_contiguous(memory_format=torch.channels_last)
    assert {name: tuple(p.shape) for name, p in layer.state_dict().items()} == {"beta": (5,), "gamma": (5, 5)}
    assert torch.equal(copy.deepcopy(layer)(x), layer(x))
    assert (repr(layer), repr(IGDN(3, dim=-1))) == ("GDN(5)", "IGDN(3, dim=-1)")
    assert layer(x[:0]).shape == (0, 5, 3, 4)


# Dynamo makes an object of every autograd function that it traces, which torch itself warns of.
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")
@every_kind
def test_graphs(kind: type[GDN]):
    layer, x = _random(kind, 5), random_tensor(2, 5, 3, dtype=torch.float32)
    compiled = torch.compile(layer, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(x), layer(x))
    for got, want in zip(
        *(torch.autograd.grad(run(x).square().sum(), layer.parameters()) for run in (compiled, layer)), strict=True
    ):
        torch.testing.assert_close(got, want)
    exported = torch.export.export(layer, (x,)).module()
    torch.testing.assert_close(exported(x), layer(x))


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"num_channels": 0}, LearnableError, "num_channels must be a whole number of at least 1, got 0"),
        (
            {"num_channels": 3, "beta_min": -1.0},
            SpecError,
            "beta_min must be a finite number of at least 0, got -1.0",
        ),
        (
            {"num_channels": 3, "gamma_init": float("nan")},
            SpecError,
            "gamma_init must be .* got nan; pass e.g. 0.1",
        ),
        ({"num_channels": 3, "dim": "1"}, AxisError, "dim must be a whole number, got '1' of type str"),
    ],
)
def test_refused_when_it_is_built(arguments: dict, error: type[Exception], text: str):
    with pytest.raises(error, match=text):
        GDN(**arguments)


@pytest.mark.parametrize(
    ("x", "error", "text"),
    [
        (torch.ones(2, 4), AxisError, r"must have 3 channels along dim=1, got 4; pass num_channels=4, or another"),
        (torch.ones(3), AxisError, r"which has rank 1, got dim=1; pass a value from -1 to 0\."),
        (torch.ones(2, 3, dtype=torch.int64), DTypeError, r"got torch.int64; convert it"),
        ([[1.0] * 3], DTypeError, r"must be a torch.Tensor, got list"),
    ],
    ids=["channels", "rank", "integers", "list"],
)
def test_refused_when_it_is_called(x: object, error: type[Exception], text: str):
    with pytest.raises(error, match=text):
        GDN(3)(x)


def test_what_no_gdn_can_be():
    with pytest.raises(SpecError, match=r"GDN can be an LRN with beta=0.5 only, .* got beta=0.75; use LocalResp"):
        GDN.from_spec(LRNSpec.from_paper(), 4)
    with pytest.raises(SpecError, match=r"IGDN can be an LRN with beta=-0.5 only, .* got beta=0.5"):
        IGDN.from_spec(LRNSpec(1, 1, 1.0, 0.5, 1.0), 4)
    with pytest.raises(SpecError, match=r"can't be an LRN within a channel, got spatial=2; use LocalResponseNorm"):
        GDN.from_spec(LRNSpec(1, 1, 1.0, 0.5, 1.0, spatial=2), 4)


@pytest.mark.parametrize("layer", [GDN, IGDN])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_only_the_input_and_the_parameters_are_kept_for_backward(layer: type[GDN], dtype: torch.dtype):
    x = torch.randn(2, 6, 9, 5, dtype=dtype, requires_grad=True)
    kept = {}
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.setdefault(t.data_ptr(), t), lambda t: t):
        module = layer(6)
        module(x).sum().backward()
    activations = [t for t in kept.values() if t.numel() >= x.numel()]
    assert [(t.data_ptr(), t.dtype) for t in activations] == [(x.data_ptr(), dtype)]


@every_kind
def test_checkpoints_of_others_are_written_and_loaded(kind: type[GDN]) -> None:
    layer = kind(5)
    rng = np.random.default_rng(0)
    values = rng.uniform(0.1, 2, 5).astype(np.float32), rng.uniform(0, 1, (5, 5)).astype(np.float32)
    layer.load_state_dict(dict(zip(("beta", "gamma"), map(torch.from_numpy, values), strict=True)))
    other = kind(5)
    other.load_state_dict(layer.to_compressai())
    beta, gamma = layer.to_tfc()
    third = kind(5)
    third.load_state_dict({"reparam_beta": torch.from_numpy(beta), "reparam_gamma": torch.from_numpy(gamma)})
    for loaded in (other, third):
        # A root in float32 and its square: two roundings.
        torch.testing.assert_close(loaded.gamma, layer.gamma, rtol=3e-7, atol=1e-12)
        torch.testing.assert_close(loaded.beta, layer.beta, rtol=3e-7, atol=0)
        again = loaded.to_compressai()
        assert all(torch.equal(value, again[name]) for name, value in layer.to_compressai().items())
    np.testing.assert_allclose(beta**2, values[0], rtol=1e-6)
    np.testing.assert_allclose(gamma.T**2, values[1], atol=1e-6)


def test_no_lrn_takes_absolute_values() -> None:
    with pytest.raises(SpecError, match=r"GDN1 can be no LRN, as it takes \|x\| for x\^2"):
        GDN1.from_spec(LRNSpec(lo=1, hi=1, alpha=1.0, beta=1.0, k=1.0), 4)
