"""Optimizers of training: Adam, SGD with momentum, and Muon for hidden weights with Adam for the rest."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from localnorm.errors import LabError
from localnorm.lab.study.training_config import ADAM, OPTIMIZERS

_MOMENTUM = 0.9


def make_optimizer(name: str, model: nn.Module, learning_rate: float) -> Optimizer:
    """Return an optimizer of a model's parameters, without weight decay.

    Args:
        name: one of `OPTIMIZERS`.
        model: on its device.
        learning_rate: of every parameter.

    Raises:
        LabError: this torch has no Muon.

    Example:
        >>> type(make_optimizer("sgd", nn.Linear(2, 2), 0.1)).__name__
        'SGD'
    """
    if name == ADAM:
        return torch.optim.Adam(model.parameters(), learning_rate, fused=True)
    if name == OPTIMIZERS[1]:
        return torch.optim.SGD(model.parameters(), learning_rate, momentum=_MOMENTUM, nesterov=True)
    return MuonAndAdam(model, learning_rate)


class MuonAndAdam(Optimizer):
    """Muon for the hidden weights, Adam for vectors and for the last linear layer, at one learning rate.

    torch's Muon takes matrices; a convolution's weights (out, in, ...) are the matrix (out, in * ...). Its update
    is scaled to the root mean square of Adam's, so that both share the learning rate.

    Source: Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024; `torch.optim.Muon`.

    Args:
        model: on its device.
        learning_rate: of every parameter.

    Raises:
        LabError: this torch has no Muon, or the model has no hidden weights.

    Example:
        >>> model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(16, 2))
        >>> [len(group["params"]) for group in MuonAndAdam(model, 1e-3).param_groups]
        [3, 1]
    """

    def __init__(self, model: nn.Module, learning_rate: float) -> None:
        if not hasattr(torch.optim, "Muon"):
            raise LabError(
                f"muon must be in torch, which has it since 2.9, got torch {torch.__version__}; install a newer "
                "torch, or pass --optimizer adam,sgd."
            )
        linear = [module for module in model.modules() if isinstance(module, nn.Linear)]
        last = {id(parameter) for parameter in linear[-1].parameters()} if linear else set()
        self._hidden = [p for p in model.parameters() if p.ndim >= 2 and id(p) not in last]
        if not self._hidden:
            raise LabError("muon must have hidden weights of two axes to train, got a model without; use adam.")
        # Views: a step changes the parameters themselves.
        self._matrices = [nn.Parameter(p.detach().flatten(1)) for p in self._hidden]
        hidden = {id(p) for p in self._hidden}
        others = [p for p in model.parameters() if id(p) not in hidden]
        self._adam = torch.optim.Adam(others, learning_rate, fused=True)
        self._muon = torch.optim.Muon(
            self._matrices, learning_rate, weight_decay=0.0, adjust_lr_fn="match_rms_adamw"
        )
        super().__init__([{"params": others}, {"params": self._matrices}], {"lr": learning_rate})
        # The same dicts, so that a schedule that sets the rates here sets them there.
        self.param_groups = [*self._adam.param_groups, *self._muon.param_groups]

    def step(self, closure: Any = None) -> None:  # type: ignore[override]  # noqa: ANN401, ARG002  no closure here
        """Step both."""
        for matrix, parameter in zip(self._matrices, self._hidden, strict=True):
            matrix.grad = None if parameter.grad is None else parameter.grad.flatten(1)
        self._adam.step()
        self._muon.step()  # type: ignore[no-untyped-call]

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters."""
        self._adam.zero_grad(set_to_none)
        for parameter in self._hidden:
            parameter.grad = None

    @property
    def parts(self) -> tuple[Optimizer, Optimizer]:
        """Adam and Muon, which hold the state."""
        return self._adam, self._muon


def state_tensors(optimizer: Optimizer) -> dict[str, Tensor]:
    """Return the tensors of an optimizer's state by name, for a checkpoint.

    Example:
        >>> weight = nn.Parameter(torch.ones(2))
        >>> adam = torch.optim.Adam([weight])
        >>> weight.sum().backward()
        >>> adam.step()
        >>> sorted(state_tensors(adam))
        ['0.0.exp_avg', '0.0.exp_avg_sq', '0.0.step']
    """
    return {
        f"{part}.{index}.{name}": value
        for part, each in enumerate(_parts(optimizer))
        for index, state in each.state_dict()["state"].items()
        for name, value in state.items()
        if isinstance(value, Tensor)
    }


def load_state_tensors(optimizer: Optimizer, tensors: dict[str, Tensor]) -> None:
    """Give an optimizer the state that `state_tensors` returned; its groups and learning rates stay.

    Not by ``load_state_dict``, which makes other groups: a schedule would set the rates of those before.
    """
    parts = _parts(optimizer)
    parameters = [[p for group in part.param_groups for p in group["params"]] for part in parts]
    for key, value in tensors.items():
        part, index, name = key.split(".", 2)
        parameter = parameters[int(part)][int(index)]
        parts[int(part)].state[parameter][name] = value.to(parameter.device)


def _parts(optimizer: Optimizer) -> tuple[Optimizer, ...]:
    return optimizer.parts if isinstance(optimizer, MuonAndAdam) else (optimizer,)
