"""Results of a search: the comparison on test data by hand, importance, and the line of code."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

import pytest
import torch

import localnorm.lab.norms
import localnorm.torch
from localnorm.lab.norms import NORMS, find_norm
from localnorm.lab.records.record import Trial, key
from localnorm.lab.study.search_space import draw
from localnorm.lab.tuning.code_snippet import code_line
from localnorm.lab.tuning.results import Tuned, make_tuned
from localnorm.lab.tuning.tuning import Setting
from made_tunings import TUNING, far, finished, record

SPREAD = (0.0, 0.1, -0.1, 0.05)


def _tested(errors: Mapping[str, float], factor: float = 1.0) -> Tuned:
    """Return what comes of test errors for the article's values, the tuned and the learned ones."""

    def test(trial: Trial) -> float:
        name = "learned" if trial.norm == "local-learned" else "tuned" if trial.settings else "article"
        return errors[name] + factor * SPREAD[trial.seed % 4] * (1 if name == "tuned" else 2)

    return make_tuned(TUNING, finished(TUNING, test=test).values())


@pytest.mark.parametrize(("tuned", "standing"), [(5.0, "better"), (10.0, "no different"), (15.0, "worse")])
def test_standing_of_the_tuned_values(tuned: float, standing: str):
    found = _tested({"article": 10.0, "tuned": tuned, "learned": 10.0})
    first = found.differences[0]
    assert (first.more, first.than, first.pairs, first.standing) == ("tuned", "article", 6, standing)
    assert first.estimate.value == pytest.approx(tuned - 10, abs=0.2)
    assert first.estimate.low <= first.estimate.value <= first.estimate.high
    assert [(own.more, own.than) for own in found.differences] == [
        ("tuned", "article"), ("learned", "article"), ("learned", "tuned")
    ]  # fmt: skip


def test_a_small_difference_of_large_spread_is_undecided():
    spread = {"article": 10.0, "tuned": 10.0 + 0.3 * TUNING.task.smallest_effect, "learned": 10.0}
    found = _tested(spread, factor=20)
    assert found.differences[0].standing == "undecided"


def test_the_same_setting_is_exactly_as_good():
    errors = lambda trial: 1.0 + bool(trial.settings) + trial.learning_rate  # noqa: E731
    found = make_tuned(TUNING, finished(TUNING, errors=errors).values())
    assert found.candidates["tuned"].setting == found.candidates["article"].setting
    assert found.differences[0].estimate.value == 0.0
    assert found.differences[0].standing == "no different"


def test_pairs_without_a_result_are_left_out_and_too_few_decide_nothing():
    records = finished(TUNING)
    best = make_tuned(TUNING, records.values()).best.setting
    for seed, status in zip(TUNING.test_seeds, ("failed", "diverged"), strict=False):
        lost = TUNING.trial(best, seed)
        records[key(lost)] = record(lost, 0.0, status=status)
    found = make_tuned(TUNING, records.values())
    assert found.best.errors[:2] == (None, 90.0), "what diverged counts with the error of chance"
    assert (found.differences[0].pairs, found.differences[0].standing) == (5, "undecided")


def test_without_records_there_is_nothing():
    found = make_tuned(TUNING, [])
    assert found.best.setting is None
    assert {own.standing for own in found.differences} == {"undecided"}
    assert found.importance == dict.fromkeys(TUNING.searched)
    assert json.loads(json.dumps(found.to_values()))["candidates"]["tuned"]["test_error"] is None


def test_importance_is_of_what_decides():
    errors = lambda trial: far(trial) + 10 * abs(math.log10(dict(trial.settings).get("alpha", 1e-4)) + 1)  # noqa: E731
    found = make_tuned(TUNING, finished(TUNING, errors).values())
    assert max(found.importance, key=lambda name: found.importance[name]) == "alpha"
    assert set(found.importance) == {"alpha", "beta", "k", "n", "learning_rate"}


@pytest.mark.parametrize("norm", [*NORMS, "user_norms:scaled", "torch.nn:BatchNorm2d"])
@pytest.mark.parametrize("drawn", [False, True], ids=["defaults", "drawn"])
def test_the_line_of_code_makes_the_norm(norm: str, drawn: bool):
    found = find_norm(norm)
    settings = draw(found.space, norm, 7) if drawn else ()
    line = code_line(Setting(norm, 1e-3, settings), dims=2)
    names = {"localnorm": localnorm, "torch": torch, "math": math, "num_channels": 12}
    made, wanted = eval(line, names), found.builder(2, settings)(12)  # noqa: S307  our own line
    x = torch.randn(4, 12, 5, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(made.double()(x), wanted.double()(x), rtol=1e-10, atol=0)
    assert len(list(made.parameters())) == len(list(wanted.parameters()))
