"""Output streams, error handling and wording that the commands share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.text import Text

from localnorm.errors import LocalnormError

BAD_INPUT, DAMAGED, INTERRUPTED = 2, 3, 130
DEFAULT_FOLDER = "compare"

out = Console()
"""The result of a command; alone on stdout, so that it can be piped."""
err = Console(stderr=True)
"""Progress, remarks and errors."""


def say(message: str) -> None:
    """Print a remark on stderr, without markup and without line breaks of our own."""
    err.print(Text(message), soft_wrap=True)


def print_plain(text: str) -> None:
    """Print text on stdout, with control characters replaced by question marks."""
    print("".join(c if c.isprintable() or c == "\n" else "?" for c in text))  # noqa: T201


@contextmanager
def errors_end_the_command() -> Iterator[None]:
    """Turn a localnorm error into its text and exit code 2."""
    try:
        yield
    except LocalnormError as problem:
        say(f"error: {problem}")
        raise typer.Exit(BAD_INPUT) from None


def counted(number: int, noun: str) -> str:
    """Return a number and a noun, in the plural unless there is one.

    Example:
        >>> counted(1, "job"), counted(2, "job")
        ('1 job', '2 jobs')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def duration(seconds: float) -> str:
    """Return a time in words.

    Example:
        >>> duration(9.7), duration(100), duration(5400)
        ('10 s', '1.7 minutes', '1.5 hours')
    """
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} minutes" if seconds < 3600 else f"{seconds / 3600:.1f} hours"
