"""A transformer of pre-norm blocks."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from localnorm.lab.norms import Builder


class _EachToken(nn.Module):
    """Applies a norm to all tokens as separate examples: (N, tokens, C) becomes (N * tokens, C)."""

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.norm(x.flatten(0, 1)).view_as(x)
        return result


class _Block(nn.Module):
    """``x + attention(norm(x))``, then ``x + mlp(norm(x))``."""

    def __init__(self, norm_layer: Builder, width: int, heads: int) -> None:
        super().__init__()
        self.before_attention = _EachToken(norm_layer(width))
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.before_mlp = _EachToken(norm_layer(width))
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        y = self.before_attention(x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        result: Tensor = x + self.mlp(self.before_mlp(x))
        return result


class Transformer(nn.Module):
    """Token embedding with learned positions, pre-norm blocks, and classification of the mean output.

    The norm is before attention and before the MLP, and once after the last block: the pre-norm order of
    Xiong et al. ("On Layer Normalization in the Transformer Architecture", 2020). It is given inputs of shape
    (N * tokens, C). So layer normalization is over the features of one token, as it is wherever a transformer is
    described, and RMS and group normalization likewise; batch normalization is over all tokens of the mini-batch,
    as in Shen et al. ("PowerNorm", 2020); LRN is over neighbouring features. A shape of (N, C, tokens) would make
    layer normalization mix the tokens. Instance normalization has no positions left, as in a recurrent cell.

    Args:
        norm_layer: ``norm_layer(num_channels) -> Module`` for inputs of rank 2.
        inputs: features of each token.
        tokens: number of tokens.
        width: features of a token inside.
        heads: of attention; they divide the width.
        blocks: number of blocks.
        classes: number of classes.

    Example:
        >>> Transformer(nn.LayerNorm)(torch.zeros(2, 8, 8)).shape
        torch.Size([2, 10])
    """

    def __init__(
        self,
        norm_layer: Builder,
        *,
        inputs: int = 8,
        tokens: int = 8,
        width: int = 32,
        heads: int = 4,
        blocks: int = 1,
        classes: int = 10,
    ) -> None:
        super().__init__()
        self.embed = nn.Linear(inputs, width)
        self.place = nn.Parameter(0.02 * torch.randn(tokens, width))
        self.blocks = nn.Sequential(*(_Block(norm_layer, width, heads) for _ in range(blocks)))
        self.last = _EachToken(norm_layer(width))
        self.classify = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return class scores for x of shape (N, tokens, inputs)."""
        read = self.last(self.blocks(self.embed(x) + self.place))
        scores: Tensor = self.classify(read.mean(1))
        return scores
