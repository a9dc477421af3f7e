"""The table for documents: Markdown and LaTeX hold every cell, and nothing in a name is read as markup."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from localnorm.lab.report import Report, read_report, write_report
from localnorm.lab.report.exports import TextTable, latex, markdown, text_tables, to_latex, to_markdown
from report_records import STUDY, ended, write_records

HOSTILE = ("none", "a|b_c*d*[x](y)<b>`e`", r"\input{/etc/passwd} 50% & #1 ~^$x$", "two\nlines \\\\", "layer")


@pytest.fixture(scope="module", params=[STUDY.norms, HOSTILE], ids=["usual", "hostile"])
def report(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Report:
    study = replace(STUDY, norms=request.param)
    change = ended(request.param[1], "failed", "no_positions & more", "digits")
    return read_report(write_records(tmp_path_factory.mktemp("exports"), study, change))


def flat(table: TextTable) -> list[list[str]]:
    return [[" ".join(text.split()) for text in line] for line in (table.head, *table.lines)]


def test_markdown_reads_back_as_the_same_tables(report: Report) -> None:
    tokens = MarkdownIt("commonmark").enable("table").parse(to_markdown(report.table))
    tables: list[list[list[str]]] = []
    for token, inside in itertools.pairwise(tokens):
        if token.type == "table_open":
            tables.append([])
        elif token.type == "tr_open":
            tables[-1].append([])
        elif token.type in ("td_open", "th_open"):
            # An escaped character stands in a token of its own.
            assert {child.type for child in inside.children or []} <= {"text", "text_special"}
            tables[-1][-1].append("".join(child.content for child in inside.children or []))
    assert tables == [flat(table) for table in text_tables(report.table)]


def test_latex_reads_back_as_the_same_tables(report: Report) -> None:
    text = to_latex(report.table)
    assert re.findall(r"\\(begin|end)\{(\w+)\}", text) == [
        ("begin", "table"), ("begin", "tabular"), ("end", "tabular"), ("end", "table"),
    ] * len(text_tables(report.table))  # fmt: skip
    for body, table in zip(text.split(r"\begin{tabular}")[1:], text_tables(report.table), strict=True):
        rules = re.findall(r"\\(toprule|midrule|bottomrule)", body)
        assert rules == ["toprule", "midrule", "bottomrule"]
        lines = [line.removesuffix(r" \\") for line in body.splitlines() if line.endswith(r" \\")]
        assert [[plain(own) for own in line.split(" & ")] for line in lines] == flat(table)
        assert body.startswith(f"{{{'l' * len(table.head)}}}")


def plain(written: str) -> str:
    """Read a cell as LaTeX would; what is left of its special characters is a mistake."""
    assert re.fullmatch(r"\{.*\}", written)
    names = {"textbackslash": "\\", "textasciicircum": "^", "textasciitilde": "~", "textless": "<",
             "textgreater": ">", "textbar": "|", "textquotedbl": '"'}  # fmt: skip
    inner = written[1:-1].replace("$-$", "\N{MINUS SIGN}").replace("$\\times$", "\N{MULTIPLICATION SIGN}")
    left = re.sub(r"\\(?:([&%$#_{}])|(\w+)\{\})", "", inner)
    assert not set(left) & set("\\&%$#_{}^~")
    return re.sub(r"\\(?:([&%$#_{}])|(\w+)\{\})", lambda m: m[1] or names[m[2]], inner)


def test_every_cell_is_there(report: Report) -> None:
    opinions, overall, *by_task = text_tables(report.table)
    assert [line[:3] for line in opinions.lines] == [
        (row.row.name, cell.norm, cell.claim) for row in report.table.rows for cell in row.cells if cell.claim
    ]
    assert [len(table.lines) for table in (overall, *by_task)] == [
        len(report.table.rows), *(len(section.rows) for section in report.table.sections),
    ]  # fmt: skip
    assert {line[2] for line in by_task[0].lines} == {"no result"}


def test_special_characters_one_by_one() -> None:
    assert latex("{a} \u2212 5 % \x1b[31m") == r"\{a\} $-$ 5 \% [31m"
    assert markdown("a | b\r\n| c") == r"a \| b \| c"


def test_they_are_written_beside_the_page(tmp_path: Path) -> None:
    report = write_report(write_records(tmp_path))
    assert (tmp_path / "table.md").read_text(encoding="utf-8") == to_markdown(report.table)
    assert (tmp_path / "table.tex").read_text(encoding="utf-8") == to_latex(report.table)
