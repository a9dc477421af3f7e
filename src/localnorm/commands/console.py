"""What the commands share: where they print, and how an error ends them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.text import Text

from localnorm.errors import LocalnormError

BAD_INPUT, DAMAGED, INTERRUPTED = 2, 3, 130

out = Console()
"""What was asked for; alone on stdout, so that it can be piped."""
err = Console(stderr=True)
"""Progress, remarks and errors."""


def say(message: str) -> None:
    """Print a remark on stderr, as it is and on one line if the terminal is wide enough."""
    err.print(Text(message), soft_wrap=True)


@contextmanager
def errors_end_the_command() -> Iterator[None]:
    """Turn a localnorm error into its text and exit code 2."""
    try:
        yield
    except LocalnormError as problem:
        say(f"error: {problem}")
        raise typer.Exit(BAD_INPUT) from None
