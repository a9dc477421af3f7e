"""A recurrent network with the norm inside its cell."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from localnorm.lab.norms import Builder


class Recurrent(nn.Module):
    """Recurrent network that predicts from its last state: ``h_t = tanh(norm(W x_t + U h_{t-1}))``.

    The norm is where Ba, Kiros and Hinton ("Layer Normalization", 2016) put it; all steps share it.

    Args:
        norm_layer: ``norm_layer(num_channels) -> Module`` for inputs of rank 2.
        inputs: features of each step.
        hidden: size of the state.
        outputs: class scores, or predicted numbers.

    Example:
        >>> Recurrent(nn.LayerNorm)(torch.zeros(2, 8, 8)).shape
        torch.Size([2, 10])
    """

    def __init__(self, norm_layer: Builder, *, inputs: int = 8, hidden: int = 64, outputs: int = 10) -> None:
        super().__init__()
        self.hidden = hidden
        self.from_input = nn.Linear(inputs, hidden)
        self.from_state = nn.Linear(hidden, hidden, bias=False)
        self.norm = norm_layer(hidden)
        self.answer = nn.Linear(hidden, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Return outputs of shape (N, outputs) for x of shape (N, steps, inputs); any number of steps."""
        state = x.new_zeros(x.shape[0], self.hidden)
        for step in self.from_input(x).unbind(1):
            state = torch.tanh(self.norm(step + self.from_state(state)))
        result: Tensor = self.answer(state)
        return result
