"""Registry of tasks: the lab's tasks by name, tasks on user data, user-defined tasks.

To add one, write a module with a `Task` and add it to ``TASKS``; to study a user-defined one, name it
``package.module:attribute``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import MappingProxyType

from torch import nn

from localnorm.errors import UnknownNameError
from localnorm.lab.norms import Builder
from localnorm.lab.plugins import import_user_defined
from localnorm.lab.study.study import TaskStudy
from localnorm.lab.study.training_config import ADAM, OPTIMIZERS, TrainingConfig, with_optimizer
from localnorm.lab.tasks.adding import ADDING
from localnorm.lab.tasks.detection.coco import COCO, coco_task, named_coco_task
from localnorm.lab.tasks.detection.digit_scenes import DIGIT_SCENES
from localnorm.lab.tasks.digits import DIGIT_ROWS, DIGIT_TOKENS, DIGITS
from localnorm.lab.tasks.faces.faces import FACES, face_embedder
from localnorm.lab.tasks.faces.lfw import LFW, lfw_task, named_lfw_task
from localnorm.lab.tasks.style.style import STYLE
from localnorm.lab.tasks.subset import Split, Subset
from localnorm.lab.tasks.task import Objective, Task, classification, error
from localnorm.lab.tasks.user_images import DATA, classifier, data_task, named_data_task

__all__ = [
    "TASKS",
    "Objective",
    "Split",
    "Subset",
    "Task",
    "TrainingConfig",
    "classification",
    "coco_task",
    "data_task",
    "error",
    "find_task",
    "lfw_task",
    "task_studies",
]

TASKS: Mapping[str, Task] = MappingProxyType(
    {task.name: task for task in (DIGITS, DIGIT_ROWS, DIGIT_TOKENS, DIGIT_SCENES, ADDING, FACES, STYLE)}
)
_NAMED: Mapping[str, Callable[[str, str | None], Task]] = MappingProxyType(
    {DATA: named_data_task, LFW: named_lfw_task, COCO: named_coco_task}
)
_ANY_MODEL: Mapping[str, Callable[[str], Callable[[Builder], nn.Module]]] = MappingProxyType(
    {"digits": partial(classifier, shape=(1, 8, 8), classes=10), "faces": face_embedder}
)


_WITH = " with "


def find_task(name: str, model: str | None = None) -> Task:
    """Return a task by name, with its default model or another.

    Args:
        name: a name of ``TASKS``; ``data:FOLDER`` or ``data:hub:NAME`` to classify user images, see
            `data_task`; ``lfw:FOLDER`` to recognize the people there, see `lfw_task`; ``coco:FOLDER`` to detect
            objects in its images, see `coco_task`; or ``package.module:attribute`` for a user-defined task. Ending
            in `` with sgd`` or `` with muon``, the task is trained by that optimizer.
        model: ``textbook_cnn``, ``small_cnn`` or ``package.module:function``, see `find_model`; None is the
            task's default.

    Raises:
        UnknownNameError: no task or model of that name, or the task has one model only.
        ModelError: the model has no argument norm_layer.
        DataError: no training data there.

    Example:
        >>> find_task("digits").model, find_task("digits", "small_cnn").model
        ('textbook_cnn', 'small_cnn')
    """
    for optimizer in OPTIMIZERS:
        if name.endswith(_WITH + optimizer):
            task = find_task(name.removesuffix(_WITH + optimizer), model)
            return replace(task, name=name, schedule=with_optimizer(task.schedule, optimizer))
    for prefix, named in _NAMED.items():
        if name.startswith(prefix):
            return named(name, model)
    task = TASKS[name] if name in TASKS else _user_defined_task(name)
    if model is None or model == task.model:
        return task
    if name not in _ANY_MODEL:
        raise UnknownNameError(
            f"the model of {name} must be {task.model}, got {model!r}; other models are for "
            f"{', '.join(_ANY_MODEL)} and user images."
        )
    return replace(task, model=model, build=_ANY_MODEL[name](model))


def _user_defined_task(name: str) -> Task:
    found = import_user_defined("task", name, (*TASKS, *(f"{prefix}FOLDER" for prefix in _NAMED)))
    if not isinstance(found, Task):
        raise UnknownNameError(
            f"a user-defined task must be a Task, got {found!r} at {name}; see CONTRIBUTING.md, 'Add a task'."
        )
    return replace(found, name=name)


def task_studies(
    names: Sequence[str], model: str | None = None, optimizers: Sequence[str] = (ADAM,)
) -> tuple[TaskStudy, ...]:
    """Return the plain values of tasks by name, or of every registered one for ``all``.

    Args:
        names: as for `find_task`, or ``all``.
        model: that of every task, as for `find_task`; None is each task's default.
        optimizers: of every task; one other than adam becomes part of the task's name.

    Example:
        >>> [task.name for task in task_studies(["digits"], optimizers=("adam", "sgd"))]
        ['digits', 'digits with sgd']
        >>> [task.kind for task in task_studies(["digits", "digit-rows"])]
        ['images', 'recurrent']
    """
    listed = [task for name in names for task in (TASKS if name == "all" else (name,))]
    named = [name if each == ADAM else f"{name}{_WITH}{each}" for name in listed for each in optimizers]
    return tuple(find_task(name, model).in_plain_values() for name in named)
