"""Check the wording of sources and pages: ``python tools/check_words.py [FILE ...]``, by default all of them.

Prints ``file:line: word: use ...`` for each word of `WORDS`, and for each module in src whose first line begins
with a question word. Exits with 1 if there is any. ``tests/test_words.py`` and the pre-commit hook run it.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PLACES = ("src", "native", "docs", "examples", "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")
SUFFIXES = {".py", ".md", ".rst", ".jinja", ".css", ".js", ".toml", ".cpp", ".hpp", ".h"}

# Words that this project once coined, and the term of the field. A word also counts as part of an identifier, as
# in jax_door or test_exam.
WORDS = {
    "doors?": "API, front end",
    "exams?": "conformance suite, check, checklist",
    "hazards?": "edge case",
    "mended|mends?": "fixed, patched",
    "whoever": "name the person or the program",
    "vanish(?:es|ed|ing)?": "underflow",
    "begun": "started",
    "(?<!of )courses?": "learning-rate schedule",
    "textbooks?": "the article",
    "rivals?": "baseline, candidate",
    "contests?|contestants?": "benchmark case",
    "misfits?": "incompatible pair",
    "house|rooms|floors": "package layout, module, layer",
    # There may be room for something, and math.floor and a function _room().
    "room(?! for| on|s|[(])": "module",
    "(?<![.])floor(?![(])": "layer",
    "portable": "fallback",
    "users? own": "user-defined",
}
# Identifiers of Python, in which the word would be fine as English.
NAMES = {"own": "user-defined, per channel, or the content", "OWN": "PER_CHANNEL"}

# File pattern, text, reason: text that may stay.
ALLOWED = [
    ("*", "textbook_cnn", "the name of the article's model in records"),
    ("*.py", "no room", "space, not a module"),
    ("native/src/robust.cpp", "vanish", "comments that are to say 'underflow'"),
    ("native/src/rows.hpp", "begun", "the name of a variable"),
]

QUESTIONS = ("What", "Which", "How", "Where", "Whether")

_WORD = re.compile(
    "|".join(rf"(?P<w{i}>(?<![A-Za-z])(?:{word})(?![A-Za-z]))" for i, word in enumerate(WORDS)), re.IGNORECASE
)
_NAME = re.compile(rf"(?:^|_)({'|'.join(NAMES)})(?:_|$)")


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.as_posix()


def _words(text: str, name: str) -> Iterator[tuple[int, str, str]]:
    """Yield line, word and what to use instead; tables that benchmarks write into a page are left to them."""
    allowed = [allowed for pattern, allowed, _ in ALLOWED if Path(name).match(pattern)]
    generated = False
    for number, line in enumerate(text.splitlines(), 1):
        generated = (generated or line.startswith("<!-- written by ")) and not line.startswith("<!-- end of ")
        checked = "" if generated else line.replace("'s own", "s own").replace("\u2019s own", "s own")
        for text_that_may_stay in allowed:
            checked = checked.replace(text_that_may_stay, "")
        for match in _WORD.finditer(checked):
            yield number, match[0], list(WORDS.values())[int(str(match.lastgroup)[1:])]


def _names(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield line, identifier and what to use instead, once a line."""
    seen = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        match = _NAME.search(token.string) if token.type == tokenize.NAME else None
        if match and (token.start[0], token.string) not in seen:
            seen.add((token.start[0], token.string))
            yield token.start[0], token.string, NAMES[match[1]]


def words(path: Path) -> list[str]:
    """Return one line for each word in the file that the project does not use."""
    text = path.read_text(encoding="utf-8")
    hits = [*_words(text, _name(path)), *(_names(text) if path.suffix == ".py" else ())]
    return [f"{_name(path)}:{line}: {word}: use {instead}" for line, word, instead in sorted(hits)]


def first_line(path: Path) -> list[str]:
    """Return a message if the first line of a module begins with a question word."""
    if path.suffix != ".py" or not _name(path).startswith("src/"):
        return []
    first = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition(" ")[0]
    return [f"{_name(path)}:1: {first}: say what the module does"] if first in QUESTIONS else []


def files() -> list[Path]:
    """Return all files that are checked."""
    found = [path for place in PLACES for path in ([ROOT / place, *(ROOT / place).rglob("*")])]
    return sorted(
        path for path in found if path.is_file() and path.suffix in SUFFIXES and "_build" not in path.parts
    )


def main() -> int:
    """Print what is wrong with the files named, or with all; return the exit code."""
    known = files()
    paths = [path for name in sys.argv[1:] if (path := Path(name).resolve()) in known] if sys.argv[1:] else known
    hits = [hit for path in paths for hit in (*words(path), *first_line(path))]
    print("\n".join(hits), end="\n" if hits else "")
    return 1 if hits else 0


if __name__ == "__main__":
    sys.exit(main())
