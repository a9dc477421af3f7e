"""Train one trial with Lightning Fabric; test it once if it is judged."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
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
from localnorm.lab.tasks.subset import at_most
from localnorm.lab.training.checkpoint import Checkpoint, Progress
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


def run_trial(
    trial: Trial, limits: Sequence[float] = (), *, checkpoint: Path | None = None, loaders: int = 0
) -> Record:
    """Train one model and return its record, also of a failure.

    A loss that is no longer finite gives the status "diverged", exhausted memory "out of memory", any other
    error "failed" with its text.

    Args:
        trial: what to train.
        limits: highest best validation error after each epoch, see `localnorm.lab.training.pruning`; above it
            the trial ends with the status "pruned". No pruning by default.
        checkpoint: file that the trial is saved to every minute, and goes on from; default none.
        loaders: processes that decode images beyond memory ahead; default this one.

    Example:
        >>> record = run_trial(Trial("digits", "textbook_cnn", "none", 1000, 3e-3, 128, 1))
        >>> record.status, sorted(record.results)
        ('ok', ['parameters', 'train_loss', 'validation_error'])
    """
    status: Status = "ok"
    message = ""
    results: dict[str, Any] = {}
    run = _Run(trial, limits, Checkpoint(checkpoint), loaders)
    peak = reset_peak(trial.device)
    try:
        with deterministic(trial.device):
            run.train(results)
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
        "wall_seconds": time.perf_counter() - run.wall,
        "processor_seconds": time.process_time() - run.processor,
        **run.timing,
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


class _Run:
    """A trial in this process, which adds results as they come, so that one that ends early keeps its curve.

    Attributes:
        timing: seconds and steps of the epochs.
        wall: when the trial began, on the clock of this process, as if it had run here all the time.
        processor: the same for processor time.
    """

    def __init__(self, trial: Trial, limits: Sequence[float], checkpoint: Checkpoint, loaders: int) -> None:
        self._trial, self._limits, self._checkpoint, self._loaders = trial, limits, checkpoint, loaders
        self.timing: dict[str, Any] = {"epoch_seconds": [], "steps_per_epoch": 0}
        self.wall, self.processor = time.perf_counter(), time.process_time()

    def train(self, results: dict[str, Any]) -> None:
        """Train, validate after each epoch, and test a judged trial."""
        trial = self._trial
        task = find_task(trial.task, trial.model)
        split = task.load(trial.seed).with_loaders(self._loaders)
        fabric, model, optimizer, norms = set_up(task, trial)
        order = torch.Generator().manual_seed(trial.seed)
        progress = self._checkpoint.resume(model, optimizer, order)
        results["parameters"] = sum(p.numel() for p in model.parameters())
        results |= {"train_loss": [], "validation_error": [], **progress.results}
        losses, errors = results["train_loss"], results["validation_error"]
        self._resume(progress, math.ceil(len(split.train) / trial.batch_size))
        evaluated = from_cpu(model, trial.device)

        def save(state: Tensor) -> None:
            if self._checkpoint.due():
                seconds = time.perf_counter() - self.wall, time.process_time() - self.processor
                now = replace(progress, results=results, timing=self.timing, seconds=seconds)
                self._checkpoint.write(now, model, optimizer, state, trial.device)

        learning = learn(fabric, model, optimizer, task, split.train, trial, order, progress, save)
        for _ in range(progress.epoch, trial.epochs):
            start = time.perf_counter()
            loss = next(learning)
            self.timing["epoch_seconds"].append(time.perf_counter() - start)
            if not math.isfinite(loss):
                raise _DivergedError(f"the training loss was not finite in epoch {len(losses) + 1}")
            losses.append(loss)
            if skipped := len(split.train) - progress.seen:
                results["skipped_images"] = skipped
            errors.append(error(task.objective, evaluated, split.validation))
            if why := why_stopped(errors, self._limits):
                raise _PrunedError(why)
        if trial.judged:
            results.update(examine(evaluated, norms, split, task, trial))

    def _resume(self, progress: Progress, steps: int) -> None:
        self.timing |= {"steps_per_epoch": steps, **progress.timing}
        self.wall -= progress.seconds[0]
        self.processor -= progress.seconds[1]


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
    fabric: Fabric,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    task: Task,
    subset: Subset,
    trial: Trial,
    order: torch.Generator | None = None,
    progress: Progress | None = None,
    after_step: Callable[[Tensor], None] = lambda _: None,
) -> Iterator[float]:
    """Train for the trial's epochs and yield the mean loss of each.

    Args:
        fabric: from `set_up`.
        model: from `set_up`.
        optimizer: from `set_up`.
        task: the task.
        subset: the examples to train on.
        trial: the trial.
        order: decides the order of the examples; by default from the trial's seed.
        progress: where to go on, updated with every step; by default the start.
        after_step: called after each step with the state of `order` at the start of the epoch.
    """
    order = order or torch.Generator().manual_seed(trial.seed)
    progress = progress or Progress()
    steps = math.ceil(len(subset) / trial.batch_size)
    if task.annealed:
        one_cycle(optimizer, trial.epochs * steps, progress.epoch * steps + progress.batch)
    while progress.epoch < trial.epochs:
        state = order.get_state()
        seed = (trial.seed << 32) + progress.epoch * steps
        yield train_epoch(
            fabric,
            model,
            optimizer,
            task,
            subset,
            trial.batch_size,
            order,
            progress,
            seed,
            partial(after_step, state),
        )
        progress.epoch += 1


def batches(subset: Subset, size: int, order: torch.Generator, done: int = 0) -> Iterator[Subset]:
    """Yield the subset in random order, in batches of at most `size`, after those that are done."""
    return subset.batches(torch.split(torch.randperm(len(subset), generator=order), size)[done:])


def train_epoch(
    fabric: Fabric,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    task: Task,
    subset: Subset,
    batch_size: int,
    order: torch.Generator,
    progress: Progress | None = None,
    seed: int = 0,
    after_step: Callable[[], None] = lambda: None,
) -> float:
    """Train on every example once and return the mean loss; stop early if it is not finite."""
    model.train()
    progress = progress or Progress()
    if not progress.batch:
        progress.total, progress.seen = 0.0, 0
    for part in batches(subset, batch_size, order, progress.batch):
        inputs = task.augment(part.inputs, seed + progress.batch) if task.augment else part.inputs
        progress.batch += 1
        if not len(part):
            continue  # every image of the batch was skipped
        optimizer.zero_grad()
        loss = task.objective.loss(model, fabric.to_device(inputs), fabric.to_device(part.labels))
        fabric.backward(loss)
        optimizer.step()
        progress.total += loss.item() * len(part)
        progress.seen += len(part)
        if not math.isfinite(progress.total):
            break
        after_step()
    progress.batch = 0
    return progress.total / max(progress.seen, 1)


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
        some = at_most(task.most_corrupted, tested, torch.Generator().manual_seed(trial.seed)).in_memory()
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
    return objective.error(_InBatches(model, trial.batch_size), subset.select(order))
