"""A smoke test for each private torch API in `localnorm.torch.functorch`, to notice when torch moves one."""

from __future__ import annotations

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd import forward_ad
from torch.func import grad, jvp, vmap

from localnorm.torch import functorch

# The first use of forward mode makes torch compile rules of its own by torch.jit.script, of which it warns itself.
pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")

X = torch.ones(2, 3)


def _seen(question, transform) -> list[bool]:
    """Return the answers outside of a transform and within it."""
    answers = [question()]
    transform(lambda x: (answers.append(question()), x.sum())[1])
    return answers


TRANSFORMS = {
    "vmap": lambda f: vmap(f)(X),
    "grad": lambda f: grad(f)(X),
    "jvp": lambda f: jvp(f, (X,), (X,)),
}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_are_functorch_transforms_active(name: str):
    assert _seen(functorch.transformed, TRANSFORMS[name]) == [False, True]


def test_forward_ad_current_level():
    assert _seen(functorch.forward_mode, TRANSFORMS["jvp"]) == [False, True]
    assert _seen(functorch.forward_mode, TRANSFORMS["vmap"]) == [False, False]
    with forward_ad.dual_level():
        assert functorch.forward_mode()
        assert functorch.transformed()


def test_interpreter_stack():
    """Forward mode within forward mode, alone, needs torch's own operations."""
    assert _seen(functorch.native_only, TRANSFORMS["jvp"]) == [False, False]
    twice = lambda f: jvp(lambda x: jvp(f, (x,), (x,))[1], (X,), (X,))  # noqa: E731
    assert _seen(functorch.native_only, twice) == [False, True]


def test_is_legacy_batchedtensor():
    class Remember(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):  # noqa: ARG004
            return x.clone()

        @staticmethod
        def backward(ctx, grad):  # noqa: ARG004
            answers.append(functorch.batched_by_autograd(grad))
            return grad

    answers: list[bool] = []
    x = X.clone().requires_grad_()
    y = Remember.apply(x)
    torch.autograd.grad(y, x, torch.ones(2, 3), retain_graph=True)
    torch.autograd.grad(y, x, torch.ones(4, 2, 3), is_grads_batched=True)
    assert answers == [False, True]


def test_get_current_dispatch_mode():
    assert not functorch.dispatch_mode()
    with FakeTensorMode():
        assert functorch.dispatch_mode()


def test_torch_dispatch_of_a_class():
    class Hooked(torch.Tensor):
        @classmethod
        def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
            return func(*args, **(kwargs or {}))

    class Plain(torch.Tensor):
        pass

    kinds = (torch.Tensor, torch.nn.Parameter, Plain, Hooked)
    assert [functorch.hooked(X.as_subclass(kind)) for kind in kinds] == [False, False, False, True]


def test_jit_is_tracing():
    assert _seen(functorch.tracing, TRANSFORMS["vmap"]) == [False, False]
    answers = []
    with pytest.warns() as _:  # that it is deprecated
        torch.jit.trace(lambda x: (answers.append(functorch.tracing()), x + 1)[1], X, check_trace=False)
    assert answers == [True]


def test_data_ptr():
    """Null, or an error, for what has no memory."""
    parameter, null = torch.nn.Parameter(X), torch.empty(0)
    assert [functorch.in_memory(x) for x in (X, parameter, null, X.to("meta"))] == [True, True, False, False]
    assert not functorch.in_memory(torch._neg_view(X))
    assert not functorch.in_memory(torch._efficientzerotensor((2, 3)))
    answers = []
    vmap(lambda x: (answers.append(functorch.in_memory(x)), x)[1])(X)
    assert answers == [False]


def test_dynamo_marked_constant():
    """The compiler calls the function, which it could not trace, and compiles with its result."""
    calls = []

    @functorch.compile_time_constant
    def constant(number: int) -> int:
        calls.append(open("/dev/null").close())  # noqa: PTH123
        return number + 1

    torch.compiler.reset()
    compiled = torch.compile(lambda x: x * constant(2), backend="eager", fullgraph=True)
    assert torch.equal(compiled(X), 3 * X)
    assert torch.equal(compiled(X), 3 * X)
    assert len(calls) == 1


def test_specialized_numbers():
    """A symbolic number becomes plain, so that a function marked constant may be called with it."""

    @functorch.compile_time_constant
    def doubled(number: float) -> float:
        return 2 * number

    torch.compiler.reset()
    run = lambda x, size, beta: x * doubled(*functorch.specialized(size)) * doubled(*functorch.specialized(beta))  # noqa: E731
    compiled = torch.compile(run, backend="eager", fullgraph=True, dynamic=True)
    for size, beta in ((5, 0.75), (7, 0.5)):
        assert torch.equal(compiled(X, size, beta), 4 * size * beta * X)
