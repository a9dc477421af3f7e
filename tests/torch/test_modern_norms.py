"""Modern norms against their papers' formulas in float64, with random parameters; weights and clipping."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import erf
from torch import nn

from localnorm import LRNSpec, reference
from localnorm.errors import LabError, ModelError
from localnorm.torch import swap_norms
from localnorm.torch.modern_norms import (
    BatchRenorm,
    Derf,
    DyT,
    EvoNormS0,
    FilterResponseNorm,
    GlobalResponseNorm,
    PixelNorm,
)
from localnorm.torch.norm_layers import BUILDERS
from localnorm.torch.weight_standardization import (
    RELU_GAIN,
    clip_gradients,
    clipped_parameters,
    standardize_weights,
)

SHAPES = [(3, 6, 5, 7), (3, 6, 5), (3, 6, 4, 5, 2)]
TIGHT = {"rtol": 1e-12, "atol": 1e-12}
"""float64 sums of at most 210 numbers in another order."""


def with_random_parameters(module: nn.Module, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Fill the parameters and return them."""
    values = {name: rng.normal(size=tuple(p.shape)) for name, p in module.named_parameters()}
    module.double().load_state_dict({n: torch.from_numpy(np.array(v)) for n, v in values.items()}, strict=False)
    return values


def by_channel(values: np.ndarray, x: np.ndarray) -> np.ndarray:
    return values.reshape(-1, *[1] * (x.ndim - 2))


def wanted(name: str, p: dict[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    """Return the paper's formula."""
    p = {key: by_channel(value, x) if value.ndim else value for key, value in p.items()}
    positions = tuple(range(2, x.ndim))
    if name == "DyT":
        return p["weight"] * np.tanh(p["alpha"] * x) + p["bias"]
    if name == "Derf":
        return p["weight"] * erf(p["alpha"] * x + p["shift"]) + p["bias"]
    if name == "GlobalResponseNorm":
        size = np.sqrt((x**2).sum(positions, keepdims=True))
        return p["gamma"] * (x * size / (size.mean(1, keepdims=True) + 1e-6)) + p["beta"] + x
    if name == "FilterResponseNorm":
        y = x / np.sqrt((x**2).mean(positions, keepdims=True) + 1e-6)
        return np.maximum(p["weight"] * y + p["bias"], p["tau"])
    if name == "EvoNormS0":
        variance = x.reshape(len(x), 3, 2, *x.shape[2:]).var(tuple(range(2, x.ndim + 1)), keepdims=True)
        deviation = np.broadcast_to(np.sqrt(variance + 1e-5), (len(x), 3, 2, *[1] * len(positions)))
        return (
            x / (1 + np.exp(-p["v"] * x)) / deviation.reshape(len(x), 6, *[1] * len(positions)) * p["weight"]
            + p["bias"]
        )
    raise AssertionError(name)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    "module",
    [DyT(6), Derf(6), GlobalResponseNorm(6), FilterResponseNorm(6), EvoNormS0(6, groups=3)],
    ids=lambda m: type(m).__name__,
)
def test_formula_with_any_parameters(module: nn.Module, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(1)
    parameters = with_random_parameters(module, rng)
    x = rng.normal(1.0, 2.0, shape)
    y = module(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(y, wanted(type(module).__name__, parameters, x), **TIGHT)


def test_pixel_norm_is_lrn_over_all_channels() -> None:
    x = np.random.default_rng(0).normal(size=(2, 6, 3, 4))
    spec = LRNSpec(lo=5, hi=5, alpha=1 / 6, beta=0.5, k=1e-8)
    np.testing.assert_allclose(PixelNorm()(torch.from_numpy(x)), reference.forward(x, spec), **TIGHT)


def test_batch_renorm_follows_the_paper_step_by_step() -> None:
    """Forward, running statistics and gradient: r and d are constants of the gradient."""
    rng = np.random.default_rng(2)
    norm = BatchRenorm(3, momentum=0.3).double()
    mean, deviation = np.zeros(3), np.ones(3)
    for step in (0, 1, 60, 150, 320, 1000):
        norm.steps.fill_(step)
        r_max = 1 + 2 * np.clip((step - 50) / 350, 0, 1)
        d_max = 5 * np.clip((step - 50) / 200, 0, 1)
        x = rng.normal(2.0, 3.0, (4, 3, 5))
        m, s = x.mean((0, 2)), np.sqrt(x.var((0, 2)) + 1e-5)
        r, d = np.clip(s / deviation, 1 / r_max, r_max), np.clip((m - mean) / deviation, -d_max, d_max)
        inputs = torch.from_numpy(x).requires_grad_()
        y = norm(inputs)
        standardized = (x - m[:, None]) / s[:, None]
        np.testing.assert_allclose(y.detach(), standardized * r[:, None] + d[:, None], rtol=1e-6, atol=1e-9)
        g = rng.normal(size=x.shape)
        y.backward(torch.from_numpy(g))
        # The gradient of batch normalization, times r.
        inner = g - g.mean((0, 2))[:, None] - standardized * (g * standardized).mean((0, 2))[:, None]
        np.testing.assert_allclose(inputs.grad, inner * (r / s)[:, None], rtol=1e-6, atol=1e-9)
        mean, deviation = mean + 0.3 * (m - mean), deviation + 0.3 * (s - deviation)
        np.testing.assert_allclose(norm.running_mean, mean, **TIGHT)
        np.testing.assert_allclose(norm.running_deviation, deviation, **TIGHT)
    norm.eval()
    np.testing.assert_allclose(norm(inputs).detach(), (x - mean[:, None]) / deviation[:, None], **TIGHT)
    assert norm.steps == 1001


def test_standardized_weights() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.Conv1d(1, 4, 1), nn.ConvTranspose2d(4, 2, 2), nn.Linear(8, 4)
    ).double()
    before, untouched = model[0].weight.detach().numpy().copy(), model[2].weight.detach().clone()
    assert standardize_weights(model) == 1  # the one that is not transposed and has a fan-in above 1
    for layer, weight in [(model[0], before)]:
        flat = weight.reshape(len(weight), -1)
        standard = (flat - flat.mean(1, keepdims=True)) / np.sqrt(flat.var(1, keepdims=True) + 1e-5)
        np.testing.assert_allclose(layer.weight.detach(), standard.reshape(weight.shape), **TIGHT)
    assert torch.equal(model[2].weight, untouched)


def test_scaled_standardized_weights_keep_the_variance_behind_relu() -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(32, 64, 3, bias=False).double()
    flat = conv.weight.detach().numpy().reshape(64, -1)
    standardize_weights(nn.Sequential(conv), scaled=True)
    scaled = RELU_GAIN * (flat - flat.mean(1, keepdims=True)) / np.sqrt(flat.var(1, keepdims=True) * flat.shape[1])
    np.testing.assert_allclose(conv.weight.detach(), scaled.reshape(conv.weight.shape), **TIGHT)
    assert dict(conv.named_parameters())["parametrizations.weight.0.gain"].shape == (64,)
    y = conv(torch.relu(torch.randn(16, 32, 12, 12, dtype=torch.float64)))
    # 102,400 numbers, of which those of one position and image depend on one another.
    assert y.var().item() == pytest.approx(1.0, abs=0.05)


def test_gradients_are_clipped_by_unit() -> None:
    rng = np.random.default_rng(3)
    shapes = {"conv": (4, 3, 2, 2), "linear": (5, 6), "vector": (7,), "scalar": ()}
    for shape in shapes.values():
        weight = nn.Parameter(torch.from_numpy(np.array(rng.normal(size=shape))))
        grad = np.array(rng.normal(size=shape))
        if len(shape) > 1:  # some units are clipped, others not
            grad *= 10.0 ** rng.integers(-3, 3, shape[0]).reshape(-1, *[1] * (len(shape) - 1))
        weight.grad = torch.from_numpy(grad.copy())
        clip_gradients([weight], clip=0.1)
        axes = tuple(range(1, len(shape))) or None
        size = np.sqrt((weight.detach().numpy() ** 2).sum(axes, keepdims=True))
        norm = np.sqrt((grad**2).sum(axes, keepdims=True))
        most = 0.1 * np.maximum(size, 1e-3)
        np.testing.assert_allclose(weight.grad, np.where(norm > most, grad * most / norm, grad), **TIGHT)
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    assert [id(p) for p in clipped_parameters(model)] == [id(p) for p in model[0].parameters()]
    assert len(clipped_parameters(nn.Conv2d(1, 1, 1))) == 2


@pytest.mark.parametrize("name", ["dyt", "derf", "evonorm-s0", "batch-renorm", "pixel", "gdn"])
def test_swapped_in_by_name_over_channels_and_tokens(name: str) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Flatten(2), nn.Linear(36, 16), nn.LayerNorm(16)
    )
    report = swap_norms(model, name)
    assert len(report) == 2
    y = model(torch.randn(2, 3, 8, 8))
    y.sum().backward()
    assert y.isfinite().all()


@pytest.mark.parametrize("name", ["grn", "frn"])
def test_norms_over_positions_are_refused_over_tokens(name: str) -> None:
    model = nn.Sequential(nn.BatchNorm2d(8), nn.LayerNorm(6))
    with pytest.raises(ModelError, match=r"1, LayerNorm, can't be swapped: .* needs positions"):
        swap_norms(model, name)
    assert [type(layer).__name__ for layer in model] == ["BatchNorm2d", "LayerNorm"]
    assert len(swap_norms(model, name, only="0")) == 1
    with pytest.raises(LabError, match="needs positions to take its statistics over, got an input of rank 2"):
        BUILDERS[name](8, 0)
