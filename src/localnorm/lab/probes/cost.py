"""Cost of a norm: time as a multiple of a copy, bytes kept for the backward pass, alone and in a network."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from localnorm.lab.norms import Norm
from localnorm.lab.study.training_config import CPU
from localnorm.lab.tasks import find_task

SHAPE = (16, 64, 56, 56)
"""The tensor that is normalized: that of an early layer of an image network, 12.8 MB in float32."""
ROUNDS = 9
_NETWORK_BATCH = 32
_NETWORK_STEPS = 10


def probe_cost(norms: list[Norm], device: str = CPU, rounds: int = ROUNDS) -> dict[str, Any]:
    """Time the norms against each other and against a copy, interleaved in rounds.

    Each round times one copy and one forward and backward pass of every norm, in turn, so that a drift of
    the machine's speed affects all of them. A first warm-up round is not counted.

    Args:
        norms: the norms, timed in this order.
        device: the kind of device; an accelerator is timed with its events.
        rounds: rounds counted.

    Returns:
        For each norm, ``copies``: a list over rounds of (forward plus backward) / (copy in that round);
        ``kept_bytes``: bytes kept for the backward pass / bytes of the input; ``images_per_second``: a list
        over rounds, of training the digits network; ``network_kept_bytes``: bytes that this network keeps for the
        backward pass for each image, without its parameters and buffers. For a norm that fails, only ``problem``:
        the reason. Under "shape", the tensor's shape.
    """
    x = torch.randn(SHAPE, generator=torch.Generator().manual_seed(0)).to(device)
    target = torch.empty_like(x)
    problems = {norm.name: _problem(norm, x) for norm in norms}
    able = [norm for norm in norms if not problems[norm.name]]
    modules = [norm.builder(dims=2)(SHAPE[1]).to(device) for norm in able]
    passes = [partial(_forward_backward, module, x) for module in modules]
    networks = [_Network(norm, device) for norm in able]
    copies, layers = _rounds([lambda: target.copy_(x)], passes, rounds, device)
    speeds, _ = _rounds([network.learn for network in networks], [], rounds, device)
    timed = {
        norm.name: {
            "copies": [layer[i] / copy[0] for copy, layer in zip(copies, layers, strict=True)],
            "kept_bytes": _kept_bytes(partial(module, x.detach().requires_grad_())) / x.nbytes,
            "images_per_second": [_NETWORK_BATCH * _NETWORK_STEPS / speed[i] for speed in speeds],
            "network_kept_bytes": _kept_bytes(network.loss, network.state) / _NETWORK_BATCH,
        }
        for i, (norm, module, network) in enumerate(zip(able, modules, networks, strict=True))
    }
    refused = {name: {"problem": problem} for name, problem in problems.items() if problem}
    return timed | refused | {"shape": list(SHAPE)}


def _problem(norm: Norm, x: Tensor) -> str:
    """Return the reason why a norm can't be timed, or an empty text; the others are timed anyway."""
    try:
        _forward_backward(norm.builder(dims=2)(SHAPE[1]).to(x.device), x)
        _Network(norm, x.device.type).learn()
    except Exception as problem:  # noqa: BLE001  it is recorded
        return f"{type(problem).__name__}: {problem}"
    return ""


def _rounds(
    first: Sequence[Callable[[], object]], second: Sequence[Callable[[], object]], count: int, device: str
) -> tuple[list[list[float]], list[list[float]]]:
    """Return seconds by round and function, after one warm-up round."""
    rounds = [[_seconds(run, device) for run in (*first, *second)] for _ in range(count + 1)][1:]
    return [row[: len(first)] for row in rounds], [row[len(first) :] for row in rounds]


def _seconds(run: Callable[[], object], device: str) -> float:
    if device != CPU:
        # Its queue is timed by the device: the host only fills it.
        begin, end = (torch.Event(device, enable_timing=True) for _ in range(2))
        begin.record()
        run()
        end.record()
        end.synchronize()
        return begin.elapsed_time(end) / 1000
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def _forward_backward(module: nn.Module, x: Tensor) -> None:
    """One pass forward and backward; the gradient has the layout of the next layer's."""
    leaf = x.detach().requires_grad_()
    y = module(leaf)
    if y is not leaf:
        parameters = [p for p in module.parameters() if p.requires_grad]
        torch.autograd.grad(y, [leaf, *parameters], x, allow_unused=True)


def _kept_bytes(forward: Callable[[], object], state: Iterable[Tensor] = ()) -> int:
    """Return the bytes of distinct memory that a forward pass keeps for the backward pass."""
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        # Held until the end: freed memory may be reused.
        result = forward()
    for tensor in state:
        kept.pop(tensor.untyped_storage().data_ptr(), None)
    del result
    return sum(kept.values())


class _Network:
    """The digits network with a norm, and a batch to train it on."""

    def __init__(self, norm: Norm, device: str) -> None:
        task = find_task("digits")
        self.model = task.build(norm.builder(task.dims))
        if norm.change_model:
            norm.change_model(self.model)
        self.model.to(device)
        self._optimizer = torch.optim.Adam(self.model.parameters(), fused=True)
        data = task.load(0).train
        self._objective = task.objective
        self._batch = data.inputs[:_NETWORK_BATCH].to(device), data.labels[:_NETWORK_BATCH].to(device)

    @property
    def state(self) -> list[Tensor]:
        """Return the parameters and buffers, which are not kept for the backward pass."""
        return [*self.model.parameters(), *self.model.buffers()]

    def loss(self) -> Tensor:
        """Return the loss over the batch."""
        return self._objective.loss(self.model, *self._batch)

    def learn(self) -> None:
        """Train for a few steps."""
        for _ in range(_NETWORK_STEPS):
            self._optimizer.zero_grad()
            self.loss().backward()  # type: ignore[no-untyped-call]
            self._optimizer.step()
