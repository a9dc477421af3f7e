"""Objective of face verification: CosFace loss, and AUC over pairs of identities not trained on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, linear, normalize, one_hot

from localnorm.lab.tasks.subset import Subset, outputs
from localnorm.lab.tasks.task import Objective

SCALE, MARGIN = 16.0, 0.1
COMPARED = 2000
"""Examples of a subset that are compared at most: two million pairs."""


class Embedding(nn.Module):
    """A network with outputs normalized to length 1, and a centre for each training identity.

    Args:
        network: returns `size` numbers per image.
        size: of the embedding.
        identities: number trained on; only the loss uses their centres.

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


def _compared(model: nn.Module, subset: Subset) -> tuple[np.ndarray, np.ndarray]:
    """Return the cosines between the examples of a subset, and which pairs show one identity."""
    embeddings = outputs(model, subset.inputs[:COMPARED])
    labels = subset.labels[:COMPARED]
    return (embeddings @ embeddings.T).numpy(), (labels[:, None] == labels).numpy()


def verification_error(model: nn.Module, subset: Subset) -> float:
    """Return 100 * (1 - AUC) over all pairs of examples, scored by the cosine of their embeddings.

    The chance, in percent, that a pair of two identities looks at least as similar as a pair of one: 0 is perfect,
    50 is chance.

    Example:
        >>> at = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
        >>> verification_error(nn.Identity(), Subset(at, torch.tensor([0, 0, 1, 1])))
        0.0
    """
    cosines, same = _compared(model, subset)
    pairs = np.triu_indices(len(cosines), 1)
    return round(100 * (1 - float(roc_auc_score(same[pairs], cosines[pairs]))), 4)


def _rank_1(model: nn.Module, subset: Subset) -> Mapping[str, float]:
    """Return the share of examples nearest to the first example of their own identity, among all first ones.

    The first example of each identity is the gallery and is not a query.
    """
    cosines, same = _compared(model, subset)
    labels = subset.labels[:COMPARED].numpy()
    gallery = np.sort(np.unique(labels, return_index=True)[1])
    probes = np.setdiff1d(np.arange(len(labels)), gallery)
    nearest = gallery[cosines[np.ix_(probes, gallery)].argmax(axis=1)]
    return {"rank_1": round(100 * float(same[probes, nearest].mean()), 4)}


VERIFICATION = Objective(
    measured_as="100 * (1 - area under the ROC curve) for whether two images show one identity, by the cosine of "
    "their embeddings; no identity was trained on",
    unit="% of the area under the curve",
    smallest_effect=0.5,
    loss=margin_loss,
    error=verification_error,
    details=_rank_1,
    chance_error=50.0,
)
