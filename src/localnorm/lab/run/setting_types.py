"""Types of settings: valid values, their rules for error messages and help, and how text becomes a value."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import (
    BeforeValidator,
    Field,
    FiniteFloat,
    NonNegativeInt,
    PositiveInt,
    Strict,
    StringConstraints,
    TypeAdapter,
)

from localnorm.lab.study.registry import MODERN, MODERN_NORMS
from localnorm.lab.study.study import LOOKS
from localnorm.lab.study.training_config import DEVICES, OPTIMIZERS, PRECISIONS
from localnorm.lab.tuning.tuning import SAMPLERS


@dataclass(frozen=True)
class Rule:
    """The valid values of a setting, for error messages and help.

    Attributes:
        text: what the value must be.
        hint: what to do instead.
        metavar: the value in the help of the command line; empty for a flag.
    """

    text: str
    hint: str
    metavar: str = ""


def _split(value: object) -> object:
    """Return a list: text is split at commas, and a single value becomes a list of one."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return no_bool(list(value) if isinstance(value, (list, tuple)) else [value])


def no_bool(value: object) -> object:
    """Reject true and false, which Pydantic would take for 1 and 0."""
    if any(isinstance(part, bool) for part in (value if isinstance(value, list) else [value])):
        raise ValueError
    return value


def _norm_names(value: object) -> object:
    """Return a list of names; the name of the group of modern norms stands for each of them."""
    names = _split(value)
    if not isinstance(names, list):
        return names
    return [name for part in names for name in (MODERN_NORMS if part == MODERN else (part,))]


def _seeds(value: object) -> object:
    """Turn a number of seeds into the seeds; a list holds the seeds themselves."""
    if isinstance(value, (list, tuple)):
        return no_bool(list(value))
    return range(TypeAdapter(PositiveInt).validate_python(no_bool(value)))


def _duration(value: object) -> object:
    """Return a time with a unit in seconds."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smh])\s*", value) if isinstance(value, str) else None
    if not found:
        raise ValueError
    return float(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]]


NonEmpty = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Positive = Annotated[FiniteFloat, Field(gt=0)]
_SEVERAL = "separate several by commas, or give a list"
Names = Annotated[
    tuple[NonEmpty, ...], BeforeValidator(_split), Field(min_length=1), Rule("names", _SEVERAL, "NAME,...")
]
NormNames = Annotated[
    tuple[NonEmpty, ...],
    BeforeValidator(_norm_names),
    Field(min_length=1),
    Rule("names", _SEVERAL, "NAME,..."),
]
Integers = Annotated[
    tuple[PositiveInt, ...], BeforeValidator(_split), Rule("whole numbers above 0", _SEVERAL, "N,...")
]
Numbers = Annotated[tuple[Positive, ...], BeforeValidator(_split), Rule("numbers above 0", _SEVERAL, "X,...")]
Seeds = Annotated[
    tuple[NonNegativeInt, ...],
    BeforeValidator(_seeds),
    Rule(
        "a number of seeds, at least 1, or a list of seeds from 0 on",
        f"{LOOKS[0]} or more can decide something",
        "N",
    ),
]
Count = Annotated[
    PositiveInt | None,
    BeforeValidator(no_bool),
    Rule("a whole number, at least 1", "leave it out for the default", "N"),
]
Amount = Annotated[
    Positive | None,
    BeforeValidator(no_bool),
    Rule("a number above 0", "leave it out for the default", "X"),
]
Duration = Annotated[
    Positive | None,
    BeforeValidator(_duration),
    Rule("a time above 0 with its unit, s, m or h", "write for example 5m, 30m or 8h", "TIME"),
]
Text = Annotated[NonEmpty | None, Rule("one name, in quotes", "give one", "NAME")]
Folder = Annotated[NonEmpty | None, Rule("the path of a folder", "put it in quotes", "FOLDER")]
Address = Annotated[NonEmpty | None, Rule("the host:port of a Ray cluster", "put it in quotes", "HOST:PORT")]
Sampler = Annotated[
    Literal["tpe", "random"], Rule(" or ".join(SAMPLERS), "leave it out for the default", "|".join(SAMPLERS))
]
Optimizers = Annotated[
    tuple[Literal["adam", "sgd", "muon"], ...],
    BeforeValidator(_split),
    Field(min_length=1),
    Rule(f"one or more of {', '.join(OPTIMIZERS)}", _SEVERAL, "NAME,..."),
]
Device = Annotated[
    Literal["auto", "cpu", "cuda", "mps", "xpu"],
    Rule(" or ".join(DEVICES), "pass one of these", "|".join(DEVICES)),
]
Precision = Annotated[
    Literal["32", "bf16-mixed", "16-mixed"],
    BeforeValidator(lambda value: "32" if value == 32 and type(value) is int else value),
    Rule(" or ".join(PRECISIONS), "pass one of these", "|".join(PRECISIONS)),
]
Flag = Annotated[bool, Strict(), Rule("true or false", "drop the quotes")]
