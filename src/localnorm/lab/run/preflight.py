"""Pre-flight check of user-defined norms, models and data on two examples, before any trial."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from localnorm.errors import LabError, LocalnormError, ModelError
from localnorm.lab.models.check import keeps_shape
from localnorm.lab.norms import find_norm
from localnorm.lab.study.registry import NORM_INFO
from localnorm.lab.study.study import Study, TaskStudy
from localnorm.lab.tasks import TASKS, Subset, Task, find_task
from localnorm.lab.training.trial import out_of_memory

_EXAMPLES = 2


@dataclass(frozen=True)
class IncompatiblePair:
    """A norm that can't be trained on a task.

    Attributes:
        task: name of the task.
        norm: name of the norm.
        problem: the exception that it raised.
    """

    task: str
    norm: str
    problem: Exception


def incompatible_pairs(study: Study) -> tuple[IncompatiblePair, ...]:
    """Return the pairs of norm and task that will have no result.

    Computes the loss of two examples and its gradient, for each pair with a user-defined part. Built-in pairs are
    covered by tests. Exhausted memory does not count: it may be free later, else the record of the trial says so.

    Raises:
        LocalnormError: a task fails with `none`, so its model or data are wrong; or a user-defined norm fails on
            all tasks.

    Example:
        >>> from localnorm.lab.tasks import task_studies
        >>> study = Study(task_studies(["digits", "digit-rows"]), ("none", "torch.nn:BatchNorm2d"), (0,))
        >>> [(pair.task, pair.norm) for pair in incompatible_pairs(study)]
        [('digit-rows', 'torch.nn:BatchNorm2d')]
    """
    pairs = tuple(pair for task in study.tasks for pair in _pairs_on(task, study))
    failures = Counter(pair.norm for pair in pairs)
    for pair in pairs:
        if pair.norm == "none" or (pair.norm not in NORM_INFO and failures[pair.norm] == len(study.tasks)):
            raise _error(pair)
    return pairs


def _pairs_on(task: TaskStudy, study: Study) -> Iterator[IncompatiblePair]:
    user_defined = task.name not in TASKS or TASKS[task.name].model != task.model
    norms = [norm for norm in study.norms if user_defined or norm not in NORM_INFO]
    if not norms:
        return
    loaded = find_task(task.name, task.model)
    train = loaded.load(study.seeds[0]).train
    few = next(train.parts(_EXAMPLES))
    for norm in norms:
        if problem := _problem(loaded, norm, few):
            yield IncompatiblePair(task.name, norm, problem)


def _problem(task: Task, norm: str, few: Subset) -> Exception | None:
    """Return the exception of one training step, if any; the state of torch's random numbers is kept."""
    built = find_norm(norm)
    with torch.random.fork_rng(devices=[]):
        try:
            model = task.build(keeps_shape(norm, built.builder(task.dims)))
            task.objective.loss(model.train(), few.inputs, few.labels).backward()  # type: ignore[no-untyped-call]
        except Exception as problem:  # noqa: BLE001  user code may raise anything
            return None if out_of_memory(problem) else problem
    return None


def _error(pair: IncompatiblePair) -> LocalnormError:
    if isinstance(pair.problem, LocalnormError):
        return pair.problem
    kind = ModelError if pair.norm == "none" else LabError
    return kind(
        f"a model must train with each norm, got {type(pair.problem).__name__} on {pair.task} with the norm "
        f"{pair.norm}: {pair.problem}; correct the {'model' if pair.norm == 'none' else 'norm'}."
    )
