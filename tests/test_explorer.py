"""The explorer in the docs, in a real browser: numbers and code equal Python's, by keyboard, on a phone."""

from __future__ import annotations

import json
import math
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from browser import BROWSER, RULES, WHY_NONE, look, run_script
from localnorm import LRNSpec, reference
from localnorm.conventions import CONVENTIONS, Convention
from localnorm.errors import ConversionError, SpecError

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/_extra/explorer/index.html"
CASES = 1_000
in_browser = pytest.mark.skipif(not BROWSER, reason=WHY_NONE)


def test_its_table_is_that_of_the_package() -> None:
    tool = runpy.run_path(str(ROOT / "tools/explorer_data.py"))
    assert tool["TARGET"].read_text(encoding="utf-8") == tool["script"](), "run python tools/explorer_data.py"


def cases() -> list[dict[str, Any]]:
    """Return random readings of every convention: sizes that some refuse, alphas over ten decades."""
    random = np.random.default_rng(20261201)
    names = list(CONVENTIONS)
    made = []
    for i in range(CASES):
        channels = int(random.integers(1, 33))
        made.append(
            {
                "name": names[i % len(names)],
                "values": {
                    "size": int(random.integers(0, 18)),
                    "alpha": float(f"{10 ** random.uniform(-8, 2):.3g}") if i % 7 else 1.0,
                    "beta": float(f"{random.uniform(0, 2):.3g}") if i % 7 else 0.5,
                    "k": float(f"{random.uniform(0.01, 10):.3g}"),
                },
                "x": (random.normal(size=channels) * 10.0 ** random.integers(-2, 3)).tolist(),
                "grad": random.normal(size=channels).tolist(),
            }
        )
    return made


def read(row: Convention, values: dict[str, float]) -> LRNSpec:
    """Return what a convention means by the numbers, in the way of Python."""
    arguments: dict[str, Any] = dict(zip(row.roles, values.values(), strict=True))
    if row.extents:
        arguments[row.roles[0]] = [1, arguments[row.roles[0]], 1, 1]
    for name, value in row.fixed.items():
        if arguments.pop(name) != value:
            raise SpecError(f"{row.name} has {name}={value}, got another; use another framework.")
    return LRNSpec.from_framework(row.name, **arguments, **row.regions[0])


@in_browser
def test_numbers_and_code_are_those_of_the_reference(tmp_path: Path) -> None:
    """Double precision both, so 1e-12 of the largest term: a gradient is a difference of two."""
    body = """
    return CASES.map(({name, values, x, grad}) => {
      const row = rowNamed[name];
      const problem = refusal(row, values);
      if (problem) return {problem};
      const spec = specOf(row, values);
      const {able} = codeLines(spec);
      return {spec, y: forward(x, spec).y, slope: gradient(x, grad, spec), code: Object.fromEntries(able)};
    });"""
    made = cases()
    results = run_script(PAGE, tmp_path, body.replace("CASES", json.dumps(made)))
    assert len(results) == CASES
    refused = set()
    for case, result in zip(made, results, strict=True):
        row = CONVENTIONS[case["name"]]
        try:
            spec = read(row, case["values"])
        except (SpecError, ConversionError):
            assert "problem" in result, case
            refused.add(row.name)
            continue
        fields = {name: getattr(spec, name) for name in ("lo", "hi", "alpha", "beta", "k")}
        assert result["spec"] == fields, case
        y = reference.forward(case["x"], spec, axis=0)
        assert np.abs(np.array(result["y"]) - y).max() <= 1e-12 * np.abs(y).max(), case
        slope = reference.gradients(case["x"], case["grad"], spec, axis=0).x
        # The two terms of the gradient are at most of this size.
        scale = np.abs(slope).max() + np.abs(case["grad"]).max() * spec.k**-spec.beta
        assert np.abs(np.array(result["slope"]) - slope).max() <= 1e-12 * scale, case
        assert result["code"] == code_of_every_framework(spec), case
    assert len(refused) > 10  # the sizes and values that some refuse are among the cases


def code_of_every_framework(spec: LRNSpec) -> dict[str, str]:
    lines = {}
    for row in CONVENTIONS.values():
        try:
            lines[row.name] = row.code(spec.to_framework(row.name))
        except ConversionError:
            continue
    return lines


@in_browser
def test_difference_of_two_conventions(tmp_path: Path) -> None:
    """torch divides alpha by the size and centres the window; TensorFlow takes a radius and alpha as it is."""
    body = """
    state.first = "torch"; state.second = "tensorflow";
    setInput("all equal", 16);
    show();
    return document.getElementById("difference").innerText;"""
    text = run_script(PAGE, tmp_path, body)
    torch = reference.forward(np.full(16, 2.0), LRNSpec.from_torch(5, alpha=1.0), axis=0)
    tf = reference.forward(np.full(16, 2.0), LRNSpec.from_tensorflow(5, 1.0, 1.0, 0.75), axis=0)
    assert f"Largest difference of the outputs: {np.abs(tf - torch).max():.3g}" in text
    assert "window [c \N{MINUS SIGN} 2, c + 2]" in text
    assert "window [c \N{MINUS SIGN} 5, c + 5]" in text


@in_browser
def test_every_control_answers_to_the_keyboard_and_a_link_restores_the_page(tmp_path: Path) -> None:
    body = """
    const event = (key) => new KeyboardEvent("keydown", {key, bubbles: true, cancelable: true});
    const press = (target, key) => target.dispatchEvent(event(key));
    const grip = () => document.activeElement;
    document.querySelector("#input .grip").focus();
    press(grip(), "ArrowRight");
    const moved = grip().dataset.channel;
    press(grip(), "End");
    press(grip(), "ArrowDown");
    const value = state.x[1];
    const range = document.getElementById("alpha-range");
    range.value = -2; range.dispatchEvent(new Event("input"));
    const number = document.getElementById("size-number");
    for (const typed of ["4", "-3", "2.5", "", "9999"]) {
      number.value = typed;
      number.dispatchEvent(new Event("change"));
    }
    const link = location.hash;
    const before = JSON.stringify([state.x, state.size, state.alpha, state.beta, state.k]);
    setInput("a step", 5);
    readLink();
    return {moved, value, alpha: state.alpha, size: state.size, shown: number.value, link,
      restored: JSON.stringify([state.x, state.size, state.alpha, state.beta, state.k]) === before,
      focused: document.querySelectorAll("#input [role=slider]").length,
      unlabelled: [...document.querySelectorAll("input, select")]
        .filter((e) => !e.labels.length && !e.ariaLabel).length};"""
    seen = run_script(PAGE, tmp_path, body)
    assert seen["moved"] == "1"
    assert seen["value"] == 9.8
    assert seen["alpha"] == 0.01
    assert seen["size"] == 4
    assert seen["shown"] == "4"
    assert seen["restored"], seen["link"]
    assert seen["focused"] == 24
    assert seen["unlabelled"] == 0


@in_browser
@pytest.mark.parametrize("width", [390, 1280])
def test_page_fits_and_breaks_no_rule_of_accessibility(tmp_path: Path, width: int) -> None:
    seen = look(PAGE, tmp_path, width=width, rules=RULES if width > 500 else ())
    assert seen["problems"] == []
    assert seen["scrolled"] <= width
    assert seen["opened"] <= width
    if width > 500:
        assert seen["violations"] == []
        assert seen["passed"] > 10


@in_browser
def test_wrong_links_give_the_default_page(tmp_path: Path) -> None:
    body = """
    location.hash = "#a=nothing&size=-1&alpha=x&k=Infinity&channels=1e9&x=1 2 b";
    readLink();
    show();
    return {size: state.size, alpha: state.alpha, k: state.k, first: state.first, channels: state.x.length};"""
    seen = run_script(PAGE, tmp_path, body)
    assert seen == {"size": 5, "alpha": 1, "k": 1, "first": "torch", "channels": 64}
    assert math.isfinite(seen["alpha"])
