"""Train one trial with Lightning Fabric; test it once if it is judged."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, cast

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from localnorm.lab.norms import find_norm
from localnorm.lab.records.provenance import provenance
from localnorm.lab.records.record import Record, Status, Trial
from localnorm.lab.study.training_config import CPU
from localnorm.lab.tasks import Objective, Split, Subset, Task, error, find_task
from localnorm.lab.tasks.corruptions import SEVERITIES, corrupt
from localnorm.lab.tasks.task import at_most
from localnorm.lab.training.device import deterministic, device_name, from_cpu, make_fabric, reset_peak
from localnorm.lab.training.linear_probe import read_features
from localnorm.lab.training.lr_schedule import one_cycle
from localnorm.lab.training.optimizers import make_optimizer
from localnorm.lab.training.pruning import why_stopped
from localnorm.torch.weight_standardization import clipped_parameters

MOST_KEPT = 256 * 2**20
"""Bytes of corrupted copies that a worker keeps."""
kept_copies: dict[tuple[object, ...], dict[str, tuple[Tensor, ...]]] = {}
"""Those of the last seed."""


class _DivergedError(Exception):
    """The training loss is no longer a finite number."""


class _PrunedError(Exception):
    """The validation error is too high to go on."""


def run_trial(trial: Trial, limits: Sequence[float] = ()) -> Record:
    """Train one model and return its record, also of a failure.

    A loss that is no longer finite gives the status "diverged", exhausted memory "out of memory", any other
    error "failed" with its text.

    Args:
        trial: what to train.
        limits: highest best validation error after each epoch, see `localnorm.lab.training.pruning`; above it
            the trial ends with the status "pruned". No pruning by default.

    Example:
        >>> record = run_trial(Trial("digits", "textbook_cnn", "none", 1000, 3e-3, 128, 1))
        >>> record.status, sorted(record.results)
        ('ok', ['parameters', 'train_loss', 'validation_error'])
    """
    status: Status = "ok"
    message = ""
    results: dict[str, Any] = {}
    wall, processor = time.perf_counter(), time.process_time()
    epochs: dict[str, Any] = {"epoch_seconds": [], "steps_per_epoch": 0}
    peak = reset_peak(trial.device)
    try:
        with deterministic(trial.device):
            _train(trial, results, epochs, limits)
    except _PrunedError as problem:
        status, message = "pruned", str(problem)
    except _DivergedError as problem:
        status, message = "diverged", str(problem)
    except MemoryError as problem:
        status, message = "out of memory", str(problem)
    except Exception as problem:  # noqa: BLE001  the study continues; the record holds the reason
        status = "out of memory" if out_of_memory(problem) else "failed"
        message = f"{type(problem).__name__}: {problem}"
    timing = {
        "wall_seconds": time.perf_counter() - wall,
        "processor_seconds": time.process_time() - processor,
        **epochs,
        "peak_bytes": peak(),
    }
    origin = {**provenance(), "threads": torch.get_num_threads()}
    if trial.device != CPU:
        origin["device"] = device_name(trial.device)
    return Record(trial, status, message, results, timing, origin)


def out_of_memory(problem: Exception) -> bool:
    """Whether an error means exhausted memory, of the CPU or of an accelerator.

    Example:
        >>> out_of_memory(MemoryError()), out_of_memory(ValueError())
        (True, False)
    """
    return isinstance(problem, (MemoryError, torch.OutOfMemoryError)) or "can't allocate memory" in str(problem)


def _train(trial: Trial, results: dict[str, Any], epochs: dict[str, Any], limits: Sequence[float]) -> None:
    """Add results and times as they come, so that a trial that ends early keeps its curve."""
    task = find_task(trial.task, trial.model)
    split = task.load(trial.seed)
    fabric, model, optimizer, norms = set_up(task, trial)
    results["parameters"] = sum(p.numel() for p in model.parameters())
    results["train_loss"], results["validation_error"] = losses, errors = [], []
    epochs["steps_per_epoch"] = math.ceil(len(split.train.labels) / trial.batch_size)
    evaluated = from_cpu(model, trial.device)
    learning = learn(fabric, model, optimizer, task, split.train, trial)
    for _ in range(trial.epochs):
        start = time.perf_counter()
        losses.append(next(learning))
        epochs["epoch_seconds"].append(time.perf_counter() - start)
        if not math.isfinite(losses[-1]):
            del losses[-1]
            raise _DivergedError(f"the training loss was not finite in epoch {len(losses) + 1}")
        errors.append(error(task.objective, evaluated, split.validation))
        if why := why_stopped(errors, limits):
            raise _PrunedError(why)
    if trial.judged:
        results.update(examine(evaluated, norms, split, task, trial))


def set_up(task: Task, trial: Trial) -> tuple[Fabric, nn.Module, torch.optim.Optimizer, list[nn.Module]]:
    """Return the Fabric, the trial's model and optimizer, and the model's norms."""
    torch.manual_seed(trial.seed)
    norm = find_norm(trial.norm)
    build_norm = norm.builder(task.dims, trial.settings)
    norms: list[nn.Module] = []

    def norm_layer(num_channels: int) -> nn.Module:
        norms.append(build_norm(num_channels))
        return norms[-1]

    fabric = make_fabric(trial.device, trial.precision)
    # The optimizer after the move to the device, which may replace parameters.
    built = task.build(norm_layer)
    if norm.change_model:
        norm.change_model(built)
    model = fabric.setup_module(built)
    optimizer = make_optimizer(task.schedule.optimizer, model, trial.learning_rate)
    if norm.before_step:
        before_step, clipped, settings = norm.before_step, clipped_parameters(model), dict(trial.settings)
        optimizer.register_step_pre_hook(lambda *_: before_step(clipped, settings))
    return fabric, model, cast("torch.optim.Optimizer", fabric.setup_optimizers(optimizer)), norms


def learn(
    fabric: Fabric, model: nn.Module, optimizer: torch.optim.Optimizer, task: Task, subset: Subset, trial: Trial
) -> Iterator[float]:
    """Train for the trial's epochs and yield the mean loss of each."""
    if task.annealed:
        one_cycle(optimizer, trial.epochs * math.ceil(len(subset.labels) / trial.batch_size))
    order = torch.Generator().manual_seed(trial.seed)
    for _ in range(trial.epochs):
        yield train_epoch(fabric, model, optimizer, task, subset, trial.batch_size, order)


def batches(subset: Subset, size: int, order: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the subset in random order, in batches of at most `size`."""
    for batch in torch.split(torch.randperm(len(subset.labels), generator=order), size):
        yield subset.inputs[batch], subset.labels[batch]


def train_epoch(
    fabric: Fabric,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    task: Task,
    subset: Subset,
    batch_size: int,
    order: torch.Generator,
) -> float:
    """Train on every example once and return the mean loss; stop early if it is not finite."""
    model.train()
    total = 0.0
    for inputs, labels in batches(subset, batch_size, order):
        optimizer.zero_grad()
        inputs, labels = fabric.to_device(inputs), fabric.to_device(labels)
        loss = task.objective.loss(model, inputs, labels)
        fabric.backward(loss)
        optimizer.step()
        total += loss.item() * len(labels)
        if not math.isfinite(total):
            break
    return total / len(subset.labels)


def examine(
    model: nn.Module, norms: Sequence[nn.Module], split: Split, task: Task, trial: Trial
) -> dict[str, Any]:
    """Return all measurements after training; the model must not be used afterwards."""
    return {
        "train_error": error(task.objective, model, split.train),
        **test(model, norms, split, task, trial),
        # Last: in training mode a norm may update its statistics.
        "train_mode_error": train_mode_error(task.objective, model, split.train, trial),
    }


@torch.no_grad()
def test(model: nn.Module, norms: Sequence[nn.Module], split: Split, task: Task, trial: Trial) -> dict[str, Any]:
    """Return the results on data that chose nothing: the test data, or all that is held out."""
    tested = split.held_out if task.pooled else split.test
    results: dict[str, Any] = {
        "test_error": error(task.objective, model, tested),
        "test_examples": len(tested.labels),
        **task.objective.details(model, tested),
    }
    if trial.corrupted:
        some = at_most(task.most_corrupted, tested, torch.Generator().manual_seed(trial.seed))
        results["corrupted_examples"] = len(some.labels)
        results["corrupted_error"] = {
            name: [error(task.objective, model, Subset(inputs, some.labels)) for inputs in severities]
            for name, severities in corrupted_copies(some.inputs, task.corruptions, trial)
        }
    if trial.features:
        results.update(read_features(model, norms, replace(split, test=tested), trial.seed))
    return results


def corrupted_copies(
    images: Tensor, corruptions: Sequence[str], trial: Trial
) -> Iterator[tuple[str, tuple[Tensor, ...]]]:
    """Yield each corruption with a copy of the images for each severity.

    The copies do not depend on the norm. A worker keeps those of the last seed, if they are not too large.
    """

    def copies(name: str) -> tuple[Tensor, ...]:
        return tuple(corrupt(images, name, severity, trial.seed) for severity in SEVERITIES)

    if images.nbytes * len(corruptions) * len(SEVERITIES) > MOST_KEPT:
        yield from ((name, copies(name)) for name in corruptions)
        return
    source = (trial.task, trial.seed, tuple(images.shape), tuple(corruptions))
    if source not in kept_copies:
        kept_copies.clear()
        kept_copies[source] = {name: copies(name) for name in corruptions}
    yield from kept_copies[source].items()


class _InBatches(nn.Module):
    """Runs a model in batches of the size that it was trained with."""

    def __init__(self, model: nn.Module, size: int) -> None:
        super().__init__()
        self.model, self.size = model, size

    def forward(self, inputs: Tensor) -> Tensor:
        return torch.cat([self.model(some) for some in torch.split(inputs, self.size)])


@torch.no_grad()
def train_mode_error(objective: Objective, model: nn.Module, subset: Subset, trial: Trial) -> float:
    """Return the error in training mode, in batches of the size trained with; the model is left in that mode.

    At the same weights as in evaluation mode: a norm with batch statistics gives other outputs.
    """
    order = torch.randperm(len(subset.labels), generator=torch.Generator().manual_seed(trial.seed))
    model.train()
    return objective.error(_InBatches(model, trial.batch_size), Subset(subset.inputs[order], subset.labels[order]))
