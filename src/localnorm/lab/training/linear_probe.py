"""Linear probe and sparsity of the features behind a network's last norm.

After Alain and Bengio, "Understanding intermediate layers using linear classifier probes", 2016.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import torch
from sklearn.linear_model import RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from localnorm.lab.tasks import Split, Subset
from localnorm.lab.tasks.subset import at_most

MOST_TRAINED, MOST_TESTED = 2_000, 10_000
"""Training and test examples of a probe at most; of more, a random sample."""
MOST_FEATURES = 4_096
"""Features of a probe at most; of more, neighbouring positions are averaged."""
MOST_POSITIONS = 4
"""Positions along a side at most."""
PENALTY = 0.1
"""Of ridge regression, times the number of examples; small for features of variance 1."""
_AT_ONCE = 1_024


@torch.no_grad()
def read_features(model: nn.Module, norms: Sequence[nn.Module], split: Split, seed: int) -> dict[str, Any]:
    """Fit a linear probe to frozen features of the training data, and test it on those of the test data.

    The features are the output of the norm that the network applies last: the input of the next layer. The probe
    is scikit-learn's `RidgeClassifier` on features scaled to variance 1, which has a solution in closed form.

    Args:
        model: left in evaluation mode.
        norms: the modules returned by norm_layer.
        split: with classes as labels.
        seed: of the random samples.

    Returns:
        ``probe_error``: in percent of the ``probe_examples`` test examples;
        ``sparsity``, from 0 to 1: see `sparsity`; of the test examples, without those with no activity. Empty
        if no norm is applied or the features are not finite, one row per example; a sparsity of None if nothing is
        active.

    Example:
        >>> from localnorm.lab.tasks import Subset
        >>> subset = Subset(torch.tensor([[-1.0], [1.0], [3.0]]).repeat(9, 1), torch.tensor([0, 1, 1]).repeat(9))
        >>> norm = nn.Identity()
        >>> read_features(nn.Sequential(norm, nn.Linear(1, 2)), [norm], Split(subset, subset, subset), seed=0)
        {'probe_error': 0.0, 'probe_examples': 27, 'sparsity': 0.0}
    """
    model.eval()
    last = _last_applied(model, norms, next(split.train.parts(2)).inputs)
    if last is None:
        return {}
    rng = torch.Generator().manual_seed(seed)
    train, test = at_most(MOST_TRAINED, split.train, rng), at_most(MOST_TESTED, split.test, rng)
    learned = torch.cat(_outputs(model, last, train, _pooled))
    tested, sparse = torch.cat(_outputs(model, last, test, _with_sparsity)).tensor_split([-1], dim=1)
    counts = (len(train.labels), len(test.labels)) == (len(learned), len(tested))
    if not counts or not (learned.isfinite().all() and tested.isfinite().all()):
        return {}
    probe = make_pipeline(StandardScaler(), RidgeClassifier(PENALTY * len(learned)))
    # One thread, as everywhere in a trial: reproducible, and other workers keep their cores.
    with threadpool_limits(1):
        probe.fit(learned.numpy(), train.labels.numpy())
        wrong = probe.predict(tested.numpy()) != test.labels.numpy()
    active = sparse[sparse.isfinite()].double()
    return {
        "probe_error": round(100 * float(wrong.mean()), 4),
        "probe_examples": len(test.labels),
        "sparsity": round(active.mean().item(), 6) if len(active) else None,
    }


def sparsity(features: Tensor) -> Tensor:
    """Return each example's sparseness over all its features, from 0 (all alike) to 1 (a single one active).

    Source: Treves and Rolls (1991), scaled as by Vinje and Gallant (2000),
    ``(1 - mean(r)^2 / mean(r^2)) / (1 - 1/n)``, with r the positive part of the n features, as a
    firing rate.

    Args:
        features: shape (N, ...).

    Returns:
        Shape (N,); NaN if nothing is active.

    Example:
        >>> sparsity(torch.tensor([[2.0, 2.0, 2.0], [0.0, 5.0, -1.0]]))
        tensor([0., 1.])
    """
    rates = features.flatten(1).clamp(min=0).double()
    alike = rates.mean(1) ** 2 / (rates**2).mean(1)
    return ((1 - alike) / (1 - 1 / max(2, rates.shape[1]))).float()


def _last_applied(model: nn.Module, norms: Sequence[nn.Module], some: Tensor) -> nn.Module | None:
    applied: list[nn.Module] = []
    with ExitStack() as hooks:
        for norm in norms:
            # Not the output: a relu in place may write to it later.
            hooks.callback(norm.register_forward_hook(lambda module, *_: applied.append(module)).remove)
        model(some)
    return applied[-1] if applied else None


def _outputs(
    model: nn.Module, norm: nn.Module, subset: Subset, reduce: Callable[[Tensor], Tensor]
) -> list[Tensor]:
    """Return the reduced output of the norm's last call in each pass, copied before later layers change it."""
    passes: list[Tensor] = []
    for part in subset.parts(_AT_ONCE):
        outputs: list[Tensor] = []
        hook = norm.register_forward_hook(
            lambda _, __, output, outputs=outputs: outputs.append(reduce(output.cpu().float()))
        )
        try:
            model(part.inputs)
        finally:
            hook.remove()
        passes.append(outputs[-1])
    return passes


def _pooled(features: Tensor) -> Tensor:
    """Return a copy of the features of shape (N, n), averaged to at most `MOST_FEATURES`."""
    if features.ndim == 4:
        channels, *sides = features.shape[1:]
        kept = max(
            side for side in range(1, MOST_POSITIONS + 1) if side == 1 or channels * side**2 <= MOST_FEATURES
        )
        features = adaptive_avg_pool2d(features, (min(kept, sides[0]), min(kept, sides[1])))
    return features.flatten(1).clone()


def _with_sparsity(features: Tensor) -> Tensor:
    """Return the probe's features, and in a last column the sparsity of all features."""
    return torch.cat((_pooled(features), sparsity(features).unsqueeze(1)), dim=1)
