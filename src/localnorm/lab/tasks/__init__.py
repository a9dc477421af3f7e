"""The tasks of the lab: what is learned, from which data, by which model.

To add one, write a module with a `Task` and add it to ``TASKS``.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from localnorm.errors import UnknownNameError
from localnorm.lab.tasks.adding import ADDING
from localnorm.lab.tasks.digit_rows import DIGIT_ROWS
from localnorm.lab.tasks.digit_scenes import DIGIT_SCENES
from localnorm.lab.tasks.digit_tokens import DIGIT_TOKENS
from localnorm.lab.tasks.digits import DIGITS
from localnorm.lab.tasks.objective import Objective, classification, error
from localnorm.lab.tasks.style import STYLE
from localnorm.lab.tasks.task import Part, Split, Task

__all__ = ["TASKS", "Objective", "Part", "Split", "Task", "classification", "error", "find_task"]

TASKS: Mapping[str, Task] = MappingProxyType(
    {task.name: task for task in (DIGITS, DIGIT_ROWS, DIGIT_TOKENS, DIGIT_SCENES, ADDING, STYLE)}
)


def find_task(name: str) -> Task:
    """Return a task by name.

    Raises:
        UnknownNameError: no task of that name.
    """
    if name not in TASKS:
        raise UnknownNameError(f"a task must be one of {', '.join(TASKS)}, got {name!r}; check the spelling.")
    return TASKS[name]
