"""Turn declared settings into options of a command."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any

import typer
from pydantic.fields import FieldInfo

from localnorm.lab.run.setting_types import Rule
from localnorm.lab.run.settings import TaskSettings

Command = Callable[..., None]


def settings_options(settings: type[TaskSettings]) -> Callable[[Command], Command]:
    """Return a decorator that gives a command an option for each setting.

    The command receives the options that the user has given, by name and as text, as its first argument.

    Args:
        settings: the declared settings. A setting whose `Rule` has no metavar is a flag; one without a `Rule`,
            such as a table in a file, gets no option.
    """
    rules = {name: rule for name, field in settings.model_fields.items() if (rule := _rule(field))}
    options = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None if rule.metavar else False,
            annotation=_annotation(name, settings.model_fields[name], rule),
        )
        for name, rule in rules.items()
    ]

    def decorate(command: Command) -> Command:
        _, *others = inspect.signature(command, eval_str=True).parameters.values()

        @wraps(command)
        def run(**values: Any) -> None:  # noqa: ANN401  each option has its own type
            given = {name: value for name in rules if (value := values.pop(name)) not in (None, False)}
            command(given, **values)

        parameters = [*options, *(other.replace(kind=inspect.Parameter.KEYWORD_ONLY) for other in others)]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return run

    return decorate


def _rule(field: FieldInfo) -> Rule | None:
    return next((part for part in field.metadata if isinstance(part, Rule)), None)


def _annotation(name: str, field: FieldInfo, rule: Rule) -> Any:  # noqa: ANN401  a type
    text = field.description or ""
    if rule.metavar and "Default:" not in text and field.default:
        default = ",".join(field.default) if isinstance(field.default, tuple) else field.default
        text += f" Default: {default}."
    option = typer.Option(f"--{name.replace('_', '-')}", help=text, metavar=rule.metavar or None)
    return Annotated[str | None if rule.metavar else bool, option]
