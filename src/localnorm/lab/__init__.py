"""Lab that measures normalization layers: run studies, search hyperparameters, read reports.

The public names are imported when they are first used, so that reading a report does not load torch. The types are
declared in ``__init__.pyi``.
"""

import importlib

_PUBLIC = {
    "EngineOptions": "engines.choice",
    "EngineSetup": "engines.choice",
    "Norm": "norms",
    "SearchSettings": "run.settings",
    "Study": "study.study",
    "StudyResults": "report.notebook",
    "StudySettings": "run.settings",
    "Task": "tasks",
    "TaskStudy": "study.study",
    "TrainingConfig": "study.training_config",
    "Tuning": "tuning.tuning",
    "compare": "run.compare",
    "make_study": "run.settings",
    "make_tuning": "run.tune",
    "read_report": "report",
    "read_status": "monitoring.status",
    "read_study": "report.notebook",
    "swap_norms": ".torch.swap.norms",
    "task_studies": "tasks",
    "tune": "run.tune",
    "write_report": "report",
}
__all__ = list(_PUBLIC)


def __getattr__(name: str) -> object:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_PUBLIC[name]}", __name__), name)
