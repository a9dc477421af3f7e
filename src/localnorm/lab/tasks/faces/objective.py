"""The objective of face recognition: to tell whether two pictures show one identity, never seen in training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, linear, normalize, one_hot

from localnorm.lab.tasks.task import Objective, Subset, outputs

SCALE, MARGIN = 16.0, 0.1
COMPARED = 2000
"""Examples of a part that are compared with each other at most: two million pairs."""


class Embedding(nn.Module):
    """A network whose outputs are put on the unit sphere, and a centre there for each identity of training.

    Args:
        network: gives size numbers for each picture.
        size: of the embedding.
        identities: how many are trained on; their centres are used by the loss alone.

    Example:
        >>> Embedding(nn.Identity(), 2, 5)(torch.tensor([[3.0, 4.0]]))
        tensor([[0.6000, 0.8000]])
    """

    def __init__(self, network: nn.Module, size: int, identities: int) -> None:
        super().__init__()
        self.network = network
        self.centres = nn.Parameter(torch.randn(identities, size))

    def forward(self, x: Tensor) -> Tensor:
        """Return the embeddings of x, shape (N, size), each of length 1."""
        return normalize(self.network(x))


def margin_loss(model: nn.Module, inputs: Tensor, labels: Tensor) -> Tensor:
    """Return the cross-entropy of scaled cosines to the centres, the right one's lowered by a margin.

    Source: Wang et al., "CosFace: Large Margin Cosine Loss for Deep Face Recognition", 2018.
    """
    centres = normalize(cast("Tensor", model.centres))
    cosines = linear(model(inputs), centres)
    return cross_entropy(SCALE * (cosines - MARGIN * one_hot(labels, len(centres))), labels)


def _compared(model: nn.Module, part: Subset) -> tuple[np.ndarray, np.ndarray]:
    """Return the cosines between the examples of a part, and which show one identity."""
    embeddings = outputs(model, part.inputs[:COMPARED])
    labels = part.labels[:COMPARED]
    return (embeddings @ embeddings.T).numpy(), (labels[:, None] == labels).numpy()


def verification_error(model: nn.Module, part: Subset) -> float:
    """Return 100 * (1 - AUC) over all pairs of examples, scored by the cosine of their embeddings.

    The chance, in percent, that a pair of two identities looks at least as alike as a pair of one: 0 is perfect
    and 50 a coin's.

    Example:
        >>> at = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
        >>> verification_error(nn.Identity(), Subset(at, torch.tensor([0, 0, 1, 1])))
        0.0
    """
    cosines, same = _compared(model, part)
    pairs = np.triu_indices(len(cosines), 1)
    return round(100 * (1 - float(roc_auc_score(same[pairs], cosines[pairs]))), 4)


def _rank_1(model: nn.Module, part: Subset) -> Mapping[str, float]:
    """Return the share of examples nearest to the first example of their own identity, among all first ones.

    The first example of each identity is the gallery and is not asked itself.
    """
    cosines, same = _compared(model, part)
    labels = part.labels[:COMPARED].numpy()
    gallery = np.sort(np.unique(labels, return_index=True)[1])
    probes = np.setdiff1d(np.arange(len(labels)), gallery)
    nearest = gallery[cosines[np.ix_(probes, gallery)].argmax(axis=1)]
    return {"rank_1": round(100 * float(same[probes, nearest].mean()), 4)}


VERIFICATION = Objective(
    measured_as="100 * (1 - area under the ROC curve) of telling, by the cosine of two embeddings, whether two "
    "pictures show one identity, none of which was trained on",
    unit="% of the area under the curve",
    smallest_effect=0.5,
    loss=margin_loss,
    error=verification_error,
    details=_rank_1,
)
