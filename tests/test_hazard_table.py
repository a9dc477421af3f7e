"""The page of doors by hazards is of the doors and hazards that there are."""

from __future__ import annotations

import re

from array_doors import JAX, NUMPY
from doors import DOORS
from hazard_table import BACKENDS, PAGE, column, render
from hazards import HAZARDS


def test_the_page_is_complete_and_nothing_on_it_fails():
    page = PAGE.read_text(encoding="utf-8")
    doors = [*(door.name for door in (NUMPY, *DOORS, JAX)), *(f"keras-{backend}" for backend in BACKENDS)]
    assert f"| hazard | {' | '.join(doors)} |" in page
    # A cell is the worst error of the output, and of the gradient where the door has one.
    rows = dict(re.findall(r"^\| ([a-z0-9-]+) \| ((?:[0-9.]+(?: / [0-9.]+)? ?\|? ?)+)$", page, flags=re.MULTILINE))
    assert list(rows) == [hazard.name for hazard in HAZARDS]
    assert all(len(row.strip(" |").split(" | ")) == len(doors) for row in rows.values())
    for hazard in HAZARDS:
        assert f"- **{hazard.name}**: {hazard.why}" in page


def test_the_page_is_measured():
    page = PAGE.read_text(encoding="utf-8")
    for name, cell in column(NUMPY).items():
        printed = re.search(rf"^\| {name} \| ([0-9.]+) \|", page, re.MULTILINE)
        # Another machine may sum in another order, which costs a part of one of the eight epsilons allowed.
        assert abs(float(printed[1]) - float(cell)) < 0.1


def test_a_failure_shows():
    fails = {hazard.name: "**fails**" for hazard in HAZARDS}
    assert render({"wrong": fails}, "nothing 1.0").count("**fails**") == len(HAZARDS)
