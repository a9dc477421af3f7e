"""Name of the task on user data that --task, --data and their options ask for."""

from __future__ import annotations

from collections.abc import Mapping

from localnorm.errors import LabError

USER_DATA_TASKS: Mapping[str | None, tuple[str, tuple[str, ...]]] = {
    None: ("data:", ("examples", "side", "augment", "skip_corrupt")),
    "faces": ("lfw:", ()),
    "digit-scenes": ("coco:", ("side",)),
}
"""Prefix and options of a task on user data, by the task that --task names; None classifies images."""


def task_names(tasks: tuple[str, ...], data: str | None, options: Mapping[str, int | None]) -> tuple[str, ...]:
    """Return the full names of the requested tasks.

    Args:
        tasks: as given, or the default tasks without data.
        data: the location of user data, None for none.
        options: of the data, None if not given.

    Raises:
        LabError: options without data, or of another task.

    Example:
        >>> task_names(("digits",), None, {"side": None})
        ('digits',)
    """
    # Imported here: a misspelt name does not wait for torch.
    from localnorm.lab.tasks.data_names import full, place_name

    used = {name: value for name, value in options.items() if value is not None}
    flags = {name: f"--{name.replace('_', '-')}" for name in used}
    if data is None:
        for name, value in used.items():
            raise LabError(f"{flags[name]} must be given with data, got {name} {value} without; add --data.")
        return tasks
    task = tasks[0] if len(tasks) == 1 else ", ".join(tasks) or None
    if task not in USER_DATA_TASKS:
        raise LabError(
            "the task on user data must be left out, to classify them, or be "
            f"{' or '.join(name for name in USER_DATA_TASKS if name)}, got {task}; drop --task or --data."
        )
    prefix, known = USER_DATA_TASKS[task]
    if task and data.startswith("hub:"):
        raise LabError(
            f"{task} must be on a folder, got {data}; drop --task to classify it, or save it to a folder."
        )
    for name, value in used.items():
        if name not in known:
            raise LabError(
                f"{task} on a folder takes no option but {', '.join(known) or 'none'}, got {name} {value}; "
                f"drop {flags[name]}."
            )
    return (place_name(prefix, full(data), options),)
