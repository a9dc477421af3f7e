"""Wording of sources and pages: no coined words, and first lines that say what a module does."""

from __future__ import annotations

from pathlib import Path

import pytest

import check_words
from check_words import ALLOWED, ROOT, files, first_line, words


def test_no_coined_words():
    hits = [hit for path in files() for hit in words(path)]
    if hits:
        hint = "exceptions go into ALLOWED of tools/check_words.py"
        pytest.fail("\n".join([f"{len(hits)} words to replace; {hint}", *hits]), pytrace=False)


def test_the_first_line_of_a_module_says_what_it_does():
    hits = [hit for path in files() for hit in first_line(path)]
    if hits:
        pytest.fail("\n".join([f"{len(hits)} first lines to rewrite", *hits]), pytrace=False)


@pytest.mark.parametrize(("pattern", "text"), [(pattern, text) for pattern, text, _ in ALLOWED])
def test_every_exception_is_needed(pattern: str, text: str):
    matching = [path for path in files() if path.relative_to(ROOT).match(pattern)]
    assert any(text in path.read_text(encoding="utf-8") for path in matching), "remove it from ALLOWED"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("The exam passes, of course, with room for more.", ["1: exam"]),
        ("x\nJAX's Door, jax_door and doorway", ["2: Door", "2: door"]),
        ("a user's own model; your own model; its own memory", ["1: users own"]),
        ("own = 1\nmy_own(own_rate, known, OWN)  # its own", ["1: own", "2: OWN", "2: my_own", "2: own_rate"]),
        ("math.floor(x), floor(x), the floor below, textbook_cnn", ["1: floor"]),
    ],
)
def test_words_are_found(text: str, found: list[str], tmp_path: Path):
    (tmp_path / "module.py").write_text(text, encoding="utf-8")
    if "=" not in text:  # no Python
        (tmp_path / "module.py").rename(tmp_path / "page.md")
    hits = [hit for path in tmp_path.iterdir() for hit in words(path)]
    assert [":".join(hit.rpartition(": use")[0].rsplit(":", 2)[1:]) for hit in hits] == found


def test_question_words_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(check_words, "ROOT", tmp_path)
    (tmp_path / "src").mkdir()
    for name, line in (("a", "Which is which."), ("b", "Whichever is first.")):
        (tmp_path / "src" / f"{name}.py").write_text(f'"""{line}"""\n', encoding="utf-8")
    assert [first_line(path) for path in sorted((tmp_path / "src").iterdir())] == [
        ["src/a.py:1: Which: say what the module does"],
        [],
    ]
