"""Known results of the literature: each is decided by hand-made records, and says so where it was not measured."""

from __future__ import annotations

from dataclasses import replace

import pytest

from localnorm.lab.analysis.table import make_table
from localnorm.lab.records.record import Record, Trial
from localnorm.lab.report.known_results import Finding, KnownResult, known_results
from localnorm.lab.study.study import Kind, Study
from localnorm.lab.study.training_config import TrainingConfig
from made_records import DIGITS, ROWS, STUDY, Ended, Fate, Run, like, records

NORMS = ("none", "local", "batch", "layer", "instance", "group")
IMAGES = replace(DIGITS, schedule=replace(DIGITS.schedule, batch_sizes=(1, 16, 128)))
STYLE = like(ROWS, "style", kind="style", smallest_effect=2.0)
SOURCES = ("Wu and He", "Ulyanov", "Ba,", "Krizhevsky", "Simonyan")


def found(study: Study, made: list[Record]) -> dict[str, KnownResult]:
    """Return the results by the first words of their sources."""
    results = known_results(make_table(study, made), made)
    assert [result.source.startswith(source) for result, source in zip(results, SOURCES, strict=True)] == [
        True
    ] * 5
    return dict(zip(SOURCES, results, strict=True))


def only(result: KnownResult) -> Finding:
    (finding,) = result.findings
    return finding


@pytest.mark.parametrize(
    ("lost", "verdict"),
    [
        ({"batch": 30.0, "group": 0.2}, "supported"),
        ({"batch": 30.0, "group": 30.0}, "not supported"),
        ({"batch": 0.1, "group": 0.2}, "not supported"),
        ({"batch": -4.0, "group": 0.0}, "not supported"),
    ],
)
def test_batch_normalization_at_small_batches(lost: dict[str, float], verdict: str) -> None:
    study = replace(STUDY, tasks=(IMAGES,), norms=NORMS)

    def fate(trial: Trial) -> Fate:
        small = trial.batch_size == 1
        return Run(10 + 0.01 * trial.seed * small + (lost.get(trial.norm, 0.0) if small else 0.0))

    finding = only(found(study, records(study, fate))["Wu and He"])
    assert (finding.verdict, finding.task, finding.pairs, finding.effect) == (verdict, "digits", 6, 1.0)
    assert [told for told, _ in finding.differences] == [
        "batch, error at batch 1 minus at 16", "group, error at batch 1 minus at 16",
    ]  # fmt: skip
    for (_, estimate), norm in zip(finding.differences, ("batch", "group"), strict=True):
        assert estimate.value == pytest.approx(lost[norm] + 0.025)
    # Two norms, two sizes, six seeds.
    assert len(finding.record_keys) == 24


@pytest.mark.parametrize(
    ("instance", "verdict"), [(10.0, "supported"), (39.0, "not supported"), (60.0, "not supported")]
)
def test_style_loss_is_that_of_the_records_not_the_whole_error(instance: float, verdict: str) -> None:
    study = replace(STUDY, tasks=(STYLE,), norms=NORMS)
    made = [
        replace(
            record, results={**record.results, "style_error": instance if record.job.norm == "instance" else 40.0}
        )
        if isinstance(record.job, Trial)
        else record
        for record in records(study)
    ]
    finding = only(found(study, made)["Ulyanov"])
    assert (finding.verdict, finding.differences[0][1].value) == (verdict, 40 - instance)
    # A task of style without a style loss of its own.
    assert only(found(study, records(study))["Ulyanov"]).verdict is None


def test_layer_and_local_have_a_verdict_on_each_task() -> None:
    more = like(IMAGES, "faces")
    errors = {"none": 10.0, "layer": 6.0}
    study = Study((IMAGES, ROWS, more), NORMS)

    def fate(trial: Trial) -> Fate:
        own = (8.0 if trial.task == "digits" else 10.1) if trial.norm == "local" else errors.get(trial.norm, 10.0)
        return Run(own)

    results = found(study, records(study, fate))
    assert only(results["Ba,"]).verdict == "supported"
    assert [f.verdict for f in results["Krizhevsky"].findings] == ["supported", "not supported"]
    assert [f.verdict for f in results["Simonyan"].findings] == ["not supported", "supported"]


def test_what_is_noisy_is_undecided() -> None:
    study = replace(STUDY, tasks=(ROWS,), norms=NORMS)
    layer = (4.0, 9.0, 3.0, 11.0, 6.0, 8.0)
    made = records(study, lambda trial: Run(layer[trial.seed % 6] if trial.norm == "layer" else 10.0))
    assert only(found(study, made)["Ba,"]).verdict == "undecided"


@pytest.mark.parametrize(
    ("study", "source", "why"),
    [
        (replace(STUDY, tasks=(ROWS,), norms=NORMS), "Wu and He", "this study has no task of images"),
        (
            replace(STUDY, tasks=(DIGITS,), norms=NORMS),
            "Wu and He",
            "not trained at a batch of 2 or less and at a larger one",
        ),
        (replace(STUDY, tasks=(DIGITS,), norms=NORMS), "Ulyanov", "this study has no task of style transfer"),
        (replace(STUDY, tasks=(DIGITS,), norms=NORMS), "Ba,", "this study has no task with a recurrent network"),
        (replace(STUDY, tasks=(IMAGES,), norms=("none", "group")), "Wu and He", "this study is without batch"),
        (replace(STUDY, tasks=(IMAGES,), norms=("none",)), "Krizhevsky", "this study is without local"),
    ],
)
def test_what_was_not_measured_says_why(study: Study, source: str, why: str) -> None:
    finding = only(found(study, records(study))[source])
    assert (finding.verdict, finding.why) == (None, why)


def test_a_norm_that_never_ended_well_is_not_measured() -> None:
    study = replace(STUDY, tasks=(IMAGES, ROWS), norms=NORMS)
    made = records(study, lambda trial: Ended() if trial.norm in ("batch", "layer", "local") else Run())
    for source in ("Wu and He", "Ba,", "Krizhevsky"):
        assert only(found(study, made)[source]).why == "no seed has all the runs that it needs"
    assert {only(result).verdict for result in found(study, []).values()} == {None}


@pytest.mark.parametrize("kind", ["images", "recurrent", "transformer", "style"])
@pytest.mark.parametrize(
    "schedule", [TrainingConfig(), TrainingConfig(batch_sizes=(2,)), TrainingConfig(batch_sizes=(64, 2))]
)
def test_any_task_alone_has_an_answer(kind: Kind, schedule: TrainingConfig) -> None:
    study = Study((replace(DIGITS, kind=kind, schedule=schedule),), NORMS)
    assert len(found(study, records(study))) == len(SOURCES)
