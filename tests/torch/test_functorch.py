"""The torch API under torch.func and in forward mode, against Jacobians of the reference."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from torch.autograd import forward_ad, gradcheck, gradgradcheck
from torch.func import functional_call, grad, hessian, jacfwd, jacrev, jvp, linearize, vmap
from torch.fx.experimental.proxy_tensor import make_fx

from conformance import Array
from localnorm import LRNSpec, reference
from localnorm.learnable import NAMES
from localnorm.torch import GDN, LocalResponseNorm, cpu
from localnorm.torch.call import Call
from localnorm.torch.functional import apply_spec
from tensors import NARROW, WIDE, normalized, random_tensor

# The first use of forward mode makes torch compile rules of its own by torch.jit.script, of which it warns itself.
pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")

BOX = LRNSpec(1, 1, 0.7, 0.75, 1.5, spatial=1)
SPECS = {"narrow": NARROW, "wide": WIDE, "within": BOX, "alpha 0": LRNSpec(1, 1, 0.0, 0.75, 2.0)}
every_spec = pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)

# Both sides are float64 sums of at most 20 terms of about 1.
CLOSE = {"rtol": 1e-12, "atol": 1e-13}


def _learned_module(per_channel: bool = False) -> LocalResponseNorm:
    layer = LocalResponseNorm.from_spec(NARROW, learnable=True, per_channel=per_channel, num_channels=7).double()
    if per_channel:
        for n, parameter in enumerate(layer.parameters()):
            parameter.data += torch.linspace(0, 0.5, 7, dtype=torch.float64).roll(n)
    return layer


def _jacobian(x: Array, spec: LRNSpec) -> Array:
    """Return d y_i / d x_j of the reference, row by row."""
    rows = np.eye(x.size).reshape(x.size, *x.shape)
    return np.stack([reference.gradients(x, row, spec).x for row in rows]).reshape(*x.shape, *x.shape)


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Note each time that the compiled kernel runs."""
    seen: list[str] = []
    run = cpu._run

    def noted(call: Call, out: torch.Tensor) -> object:
        seen.append("forward" if call.grad is None else "backward")
        return run(call, out)

    monkeypatch.setattr(cpu, "_run", noted)
    return seen


@pytest.mark.parametrize("in_dim", [0, 1, 2, 3, -1])
@pytest.mark.parametrize("dim", [0, 1, -1])
@pytest.mark.parametrize("spec", [NARROW, WIDE], ids=["narrow", "wide"])
def test_vmap_runs_the_kernel_once(spec: LRNSpec, in_dim: int, dim: int, runs: list[str]):
    x = random_tensor(4, 7, 3, 5)
    got = vmap(lambda x: normalized(x, spec, dim), in_dim, in_dim)(x)
    assert runs == ["forward"]
    want = np.stack([reference.forward(part.numpy(), spec, dim) for part in x.unbind(in_dim)], in_dim)
    np.testing.assert_allclose(got.numpy(), want, rtol=4e-15)  # eight epsilons for either side


def test_vmap_within_vmap(runs: list[str]):
    x = random_tensor(2, 3, 4, 7)
    got = vmap(vmap(normalized, 1, 1), 0)(x)
    assert runs == ["forward"]
    np.testing.assert_allclose(got.numpy(), reference.forward(x.numpy(), NARROW, axis=3), rtol=4e-15)


def test_vmap_keeps_dtype_and_memory_format():
    x = random_tensor(4, 2, 7, 3, 5, dtype=torch.bfloat16)[:, :, :, ::2]
    y = vmap(normalized)(x.movedim(2, -1).contiguous().movedim(-1, 2))
    assert y.dtype == x.dtype
    assert y[0].is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(y[1], normalized(x[1]))


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("in_dims", [(None, 0), (0, None), (0, 0)], ids=["x", "values", "both"])
def test_vmap_over_learned_values(per_channel: bool, in_dims: tuple):
    """An ensemble: each of a batch has values of its own, or inputs, or both."""
    layer = _learned_module(per_channel)
    shift = torch.linspace(-0.5, 0.5, 3, dtype=torch.float64)
    values = {
        name: torch.stack([p.data + s for s in shift]) if in_dims[0] == 0 else p.data
        for name, p in layer.named_parameters()
    }
    x = random_tensor(3, 2, 7, 4) if in_dims[1] == 0 else random_tensor(2, 7, 4)

    def loss(values: dict, x: torch.Tensor) -> torch.Tensor:
        y = functional_call(layer, values, (x,))
        return (y * torch.linspace(-1, 1, y.numel(), dtype=y.dtype).reshape(y.shape)).sum()

    for compute in (lambda v, x: functional_call(layer, v, (x,)), grad(loss), grad(loss, argnums=1)):
        got = vmap(compute, in_dims)(values, x)
        each = [
            compute({n: v[i] if in_dims[0] == 0 else v for n, v in values.items()}, x[i] if in_dims[1] == 0 else x)
            for i in range(3)
        ]
        want = (
            {n: torch.stack([e[n] for e in each]) for n in values} if isinstance(got, dict) else torch.stack(each)
        )
        torch.testing.assert_close(got, want, **CLOSE)


def test_gradients_of_each_sample(runs: list[str]):
    x, weights = random_tensor(4, 7, 5), random_tensor(4, 7, 5).flip(0)
    got = vmap(grad(lambda x, w: (w * normalized(x, NARROW, 0)).sum()))(x, weights)
    assert runs == ["forward", "backward"]
    want = [reference.gradients(a.numpy(), w.numpy(), NARROW, 0).x for a, w in zip(x, weights, strict=True)]
    np.testing.assert_allclose(got.numpy(), np.stack(want), **CLOSE)
    batched = grad(lambda x: (weights * vmap(lambda x: normalized(x, NARROW, 0))(x)).sum())(x)
    torch.testing.assert_close(batched, got, rtol=0, atol=0)


def test_gradients_of_each_sample_for_learned_values():
    layer, x = _learned_module(), random_tensor(4, 2, 7, 3)
    loss = lambda p, x: functional_call(layer, p, (x,)).square().sum() / 2  # noqa: E731
    got = vmap(grad(loss), (None, 0))({n: p.detach() for n, p in layer.named_parameters()}, x)
    for i, sample in enumerate(x.numpy()):
        want = reference.gradients(sample, reference.forward(sample, NARROW), NARROW)
        for name in NAMES:  # the parameters are logarithms
            value = got[f"log_{name}"][i].item()
            assert value == pytest.approx(getattr(want, name) * getattr(NARROW, name), rel=1e-12)


@every_spec
@pytest.mark.parametrize("jacobian", [jacrev, jacfwd])
def test_jacobians(jacobian: Callable, spec: LRNSpec):
    x = random_tensor(2, 7, 2)
    got = jacobian(lambda x: normalized(x, spec))(x)
    np.testing.assert_allclose(got.numpy(), _jacobian(x.numpy(), spec), **CLOSE)


# torch.func.linearize builds a graph in a way that torch.fx warns of, whatever it is given.
@pytest.mark.filterwarnings("ignore:Attempted to insert a get_attr Node:UserWarning")
@pytest.mark.parametrize("how", ["jvp", "forward_ad", "linearize", "compiled"])
@every_spec
def test_tangents(spec: LRNSpec, how: str):
    x, dx = random_tensor(2, 7, 2), random_tensor(2, 7, 2).flip(0)
    want = np.tensordot(_jacobian(x.numpy(), spec), dx.numpy(), x.ndim)
    compute = lambda x: normalized(x, spec)  # noqa: E731
    if how == "jvp":
        y, got = jvp(compute, (x,), (dx,))
        np.testing.assert_allclose(y.numpy(), reference.forward(x.numpy(), spec), rtol=4e-15)
    elif how == "forward_ad":
        with forward_ad.dual_level():
            got = forward_ad.unpack_dual(compute(forward_ad.make_dual(x, dx))).tangent
    elif how == "linearize":
        got = linearize(compute, x)[1](dx)
    else:
        torch.compiler.reset()
        run = torch.compile(lambda x, dx: jvp(compute, (x,), (dx,))[1], backend="aot_eager", fullgraph=True)
        got = run(x, dx)
    np.testing.assert_allclose(got.numpy(), want, **CLOSE)


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("moving", ["x", "k", "alpha beta", "x k alpha beta"])
def test_tangents_of_learned_values(moving: str, per_channel: bool):
    """The tangent is what the gradient says: w . (J t) = (J^T w) . t."""
    layer, x, w = _learned_module(per_channel), random_tensor(2, 7, 4), random_tensor(2, 7, 4).flip(0)
    inputs = {"x": x, **{name: layer.value(name, getattr(NARROW, name)).detach() for name in NAMES}}
    moved = {name: value for name, value in inputs.items() if name in moving.split()}

    def compute(moved: dict[str, torch.Tensor]) -> torch.Tensor:
        x, *values = {**inputs, **moved}.values()
        return apply_spec(x, NARROW, 1, inplace=False, learned=dict(zip(NAMES, values, strict=True)))

    tangents = {name: torch.ones_like(value) + value.sin() for name, value in moved.items()}
    _, dy = jvp(compute, (moved,), (tangents,))
    gradients = grad(lambda moved: (w * compute(moved)).sum())(moved)
    want = sum((gradients[name] * tangents[name]).sum() for name in moved)
    torch.testing.assert_close((w * dy).sum(), want, **CLOSE)


@pytest.mark.parametrize("scale", [1e70, 1e200, 1e-200])
def test_tangents_far_from_one(scale: float):
    """With k = 0 the output does not change with the scale of x, nor does the scaled tangent."""
    spec, x = LRNSpec(2, 1, 0.7, 0.5, 0.0), random_tensor(2, 7)
    dx = x.flip(0)
    want = jvp(lambda x: normalized(x, spec), (x,), (dx,))[1]
    # The scale is no power of two, so x and dx are rounded once more on the way there.
    got = jvp(lambda x: normalized(x, spec), (scale * x,), (scale * dx,))[1]
    torch.testing.assert_close(got, want, rtol=1e-12, atol=1e-14)
    got = jvp(lambda x: normalized(x, spec), (scale * x,), (dx,))[1] * scale
    torch.testing.assert_close(got, want, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_tangents_have_the_dtype_of_the_input(dtype: torch.dtype):
    x, dx = random_tensor(2, 7, dtype=dtype), random_tensor(2, 7, dtype=dtype).flip(0)
    _, got = jvp(normalized, (x,), (dx,))
    want = jvp(normalized, (x.double(),), (dx.double(),))[1]
    assert got.dtype == dtype
    assert torch.equal(got, want.to(dtype)), "computed in float64, rounded once"


@pytest.mark.parametrize(
    "second",
    [hessian, lambda f: jacrev(jacrev(f)), lambda f: jacrev(jacfwd(f)), lambda f: jacfwd(jacfwd(f))],
    ids=["forward over reverse", "reverse over reverse", "reverse over forward", "forward over forward"],
)
def test_hessians(second: Callable):
    """Central differences of the reference's gradient err by about 1e-10, with steps of 1e-5."""
    x, w = random_tensor(2, 5), random_tensor(2, 5).flip(0)
    got = second(lambda x: (w * normalized(x)).sum())(x).numpy().reshape(10, 10)
    steps = 1e-5 * np.eye(10).reshape(10, 2, 5)
    gradient = lambda x: reference.gradients(x, w.numpy(), NARROW).x.ravel()  # noqa: E731
    want = [(gradient(x.numpy() + step) - gradient(x.numpy() - step)) / 2e-5 for step in steps]
    np.testing.assert_allclose(got, np.stack(want), rtol=0, atol=2e-9)


def test_gradcheck_in_every_mode():
    """Also batched, where autograd has a vmap of its own that sees nothing but torch's operations."""
    x = random_tensor(2, 5, 2, grad=True)
    every = {"check_batched_grad": True, "check_forward_ad": True, "check_batched_forward_grad": True}
    assert gradcheck(normalized, x, **every)
    assert gradgradcheck(normalized, x, check_batched_grad=True, check_fwd_over_rev=True)
    values = [torch.full((), v, dtype=torch.float64, requires_grad=True) for v in (1.5, 0.7, 0.75)]
    learned = lambda x, *v: apply_spec(x, NARROW, 1, inplace=False, learned=dict(zip(NAMES, v, strict=True)))  # noqa: E731
    assert gradcheck(learned, (x, *values), **every)
    assert gradgradcheck(learned, (x, *values), check_fwd_over_rev=True)


def test_gradients_and_batches_within_a_compiled_graph():
    compute = vmap(grad(lambda x, w: (w * normalized(x, NARROW, 0)).sum()))
    x, w = random_tensor(3, 7, 2), random_tensor(3, 7, 2).flip(0)
    torch.compiler.reset()
    compiled = torch.compile(compute, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(x, w), compute(x, w), **CLOSE)


def test_make_fx_traces_it():
    x = random_tensor(2, 7)
    for compute in (
        lambda x: normalized(x),
        grad(lambda x: normalized(x).sum()),
        vmap(lambda x: normalized(x, NARROW, 0)),
    ):
        torch.testing.assert_close(make_fx(compute)(x)(x), compute(x), **CLOSE)


def test_inplace_under_vmap():
    x = random_tensor(3, 7, 2)
    want = normalized(x)
    y = vmap(lambda x: apply_spec(x, NARROW, 0, inplace=True))(x)
    torch.testing.assert_close(y, want, **CLOSE)
    torch.testing.assert_close(x, want, **CLOSE)


@pytest.mark.parametrize("shape", [(0, 7), (3, 0)], ids=str)
def test_empty_batches_and_inputs(shape: tuple[int, int]):
    x = torch.empty(shape, dtype=torch.float64)
    compute = lambda x: normalized(x, NARROW, 0)  # noqa: E731
    assert jvp(normalized, (x,), (x,))[1].shape == shape
    if shape[0]:  # torch.func.vmap itself refuses an empty batch
        assert vmap(compute)(x).shape == shape
        assert vmap(grad(lambda x: compute(x).sum()))(x).shape == shape


def test_gdn():
    layer, x, dx = GDN(5, gamma_init=0.5).double(), random_tensor(3, 2, 5), random_tensor(3, 2, 5).flip(0)
    torch.testing.assert_close(vmap(layer)(x), torch.stack([layer(part) for part in x]), **CLOSE)
    run = lambda parameters: functional_call(layer, parameters, (x[0],))  # noqa: E731
    parameters = {name: p.detach() for name, p in layer.named_parameters()}
    for got, want in zip(jacfwd(run)(parameters).values(), jacrev(run)(parameters).values(), strict=True):
        torch.testing.assert_close(got, want, **CLOSE)
    tangent = jvp(layer, (x[0],), (dx[0],))[1]
    torch.testing.assert_close(tangent, torch.tensordot(jacrev(layer)(x[0]), dx[0], 2), **CLOSE)
