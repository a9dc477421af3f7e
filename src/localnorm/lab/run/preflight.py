"""Whether the norms, models and data of a user's own go together: found out on two examples, before any trial."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from localnorm.errors import LabError, LocalnormError, ModelError
from localnorm.lab.models.check import keeps_shape
from localnorm.lab.norms import NORMS, find_norm
from localnorm.lab.study.study import Study, TaskStudy
from localnorm.lab.tasks import TASKS, Subset, Task, find_task
from localnorm.lab.training.trial import out_of_memory

_FEW = 2


@dataclass(frozen=True)
class Misfit:
    """A norm that can't be trained on a task.

    Attributes:
        task: name of the task.
        norm: name of the norm.
        problem: what it ended with.
    """

    task: str
    norm: str
    problem: Exception


def misfits(study: Study) -> tuple[Misfit, ...]:
    """Return what of a study will have no result, or raise the reason why it is not worth a start.

    Looks at what is the user's own, norms, models or tasks, each with all it is to be trained with: takes the loss
    of two examples and its gradient. What is the lab's own is left to its tests. Exhausted memory is no misfit: it
    may be free later, and the record of the trial says so if it is not.

    Raises:
        LocalnormError: `none` can't be trained on a task, so its model or data are at fault; or a norm of the
            user's own on none of the tasks.

    Example:
        >>> from localnorm.lab.tasks import task_studies
        >>> study = Study(task_studies(["digits", "digit-rows"]), ("none", "torch.nn:BatchNorm2d"), (0,))
        >>> [(misfit.task, misfit.norm) for misfit in misfits(study)]
        [('digit-rows', 'torch.nn:BatchNorm2d')]
    """
    found = tuple(misfit for task in study.tasks for misfit in _misfits_on(task, study))
    for misfit in found:
        tasks = [other.task for other in found if other.norm == misfit.norm]
        if misfit.norm == "none" or (misfit.norm not in NORMS and len(tasks) == len(study.tasks)):
            raise _said(misfit)
    return found


def _misfits_on(task: TaskStudy, study: Study) -> Iterator[Misfit]:
    theirs = task.name not in TASKS or TASKS[task.name].model != task.model
    norms = [norm for norm in study.norms if theirs or norm not in NORMS]
    if not norms:
        return
    found = find_task(task.name, task.model)
    train = found.load(study.seeds[0]).train
    few = Subset(train.inputs[:_FEW], train.labels[:_FEW])
    for norm in norms:
        if problem := _problem(found, norm, few):
            yield Misfit(task.name, norm, problem)


def _problem(task: Task, norm: str, few: Subset) -> Exception | None:
    """Return what training a model on a few examples ends with; torch's random numbers are left as they were."""
    found = find_norm(norm)
    with torch.random.fork_rng(devices=[]):
        try:
            model = task.build(keeps_shape(norm, found.builder(task.dims)))
            task.objective.loss(model.train(), few.inputs, few.labels).backward()  # type: ignore[no-untyped-call]
        except Exception as problem:  # noqa: BLE001  whatever code of a user's own raises
            return None if out_of_memory(problem) else problem
    return None


def _said(misfit: Misfit) -> LocalnormError:
    """Return the error that says why a study is not worth a start."""
    if isinstance(misfit.problem, LocalnormError):
        return misfit.problem
    kind = ModelError if misfit.norm == "none" else LabError
    return kind(
        f"a model must learn with each norm, got {type(misfit.problem).__name__} on {misfit.task} with the norm "
        f"{misfit.norm}: {misfit.problem}; correct the {'model' if misfit.norm == 'none' else 'norm'}."
    )
