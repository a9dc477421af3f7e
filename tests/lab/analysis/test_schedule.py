"""The next jobs of a study: what is asked for, when no more is, and that interruptions change no verdict."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from fake_runs import HARMS, TASKS, run, simulate, study
from localnorm.lab.analysis.schedule import next_blocks
from localnorm.lab.analysis.table import make_table
from localnorm.lab.engines.choice import EngineSetup
from localnorm.lab.records.record import Job, Record, Trial
from localnorm.lab.records.store import Store
from localnorm.lab.run.compare import compare
from localnorm.lab.study.study import LOOKS, Study
from localnorm.lab.study.study_file import read_study

SMALL = replace(study("batch", "local"), tasks=TASKS[1:])


def _verdicts(of: Study, records: Iterable[Record]) -> list[object]:
    """Return every verdict that rests on training, with its interval."""
    return [
        (row.row.name, row.tasks, cell.norm, cell.verdict, cell.judgement.decision)
        for row in make_table(of, list(records)).rows
        for cell in row.cells
        if row.tasks and cell.judgement
    ]


def _shuffled(seed: int):
    return lambda jobs: random.Random(seed).sample(jobs, len(jobs))


def test_the_pilot_comes_before_the_judged_seeds_and_chooses_alone():
    blocks = next_blocks(SMALL, []).blocks
    assert [block.what for block in blocks] == ["probes", "pilot of digit-rows"]
    pilot = [job for job in blocks[1].jobs if isinstance(job, Trial)]
    assert {trial.seed for trial in pilot} == set(SMALL.pilot_seeds)
    assert not any(trial.judged or trial.corrupted or trial.features for trial in pilot)
    made = [run(job) for block in blocks for job in block.jobs]
    (judged,) = next_blocks(SMALL, made).blocks
    assert {trial.seed for trial in judged.jobs if isinstance(trial, Trial)} == set(range(LOOKS[0]))
    assert all(isinstance(trial, Trial) and trial.judged for trial in judged.jobs)


def test_the_next_jobs_depend_on_the_records_alone():
    made = list(simulate(SMALL, most=80).values())
    first = next_blocks(SMALL, made)
    again = next_blocks(SMALL, random.Random(1).sample(made, len(made)))
    assert [(b.what, b.jobs) for b in first.blocks] == [(b.what, b.jobs) for b in again.blocks]


@pytest.mark.parametrize("seed", range(3))
def test_order_and_interruptions_change_no_verdict(seed: int):
    whole = simulate(SMALL)
    rng = random.Random(seed)
    records: dict[str, Record] = {}
    while next_blocks(SMALL, records.values()).blocks:
        most = rng.randint(1, 90)
        records = simulate(SMALL, records.values(), order=_shuffled(seed), at_once=rng.randint(1, 40), most=most)
    assert records.keys() == whole.keys()
    assert _verdicts(SMALL, records.values()) == _verdicts(SMALL, whole.values())


def test_a_decided_norm_gets_no_more_seeds():
    of = replace(study("batch", "layer", "group", "rms"), tasks=TASKS[1:])
    made = simulate(of).values()
    seeds = {
        norm: 1 + max(r.job.seed for r in made if isinstance(r.job, Trial) and r.job.judged and r.job.norm == norm)
        for norm in of.norms
    }
    for cell in make_table(of, list(made)).row("suitability for RNNs").cells[1:]:
        decision = cell.judgement.decision
        # The article's claims ask for contrasts of batch and layer with none alone.
        assert seeds[cell.norm] == (decision.pairs if decision.word != "undecided" else LOOKS[-1])
    assert seeds["none"] == max(seeds.values())
    assert min(seeds.values()) < LOOKS[-1]


def test_every_seed_runs_if_asked_for():
    of = replace(SMALL, seeds=tuple(range(7)))
    made = simulate(of, every_seed=True).values()
    judged = [r.job for r in made if isinstance(r.job, Trial) and r.job.judged]
    assert len(judged) == len(of.norms) * 7
    assert not next_blocks(of, list(made), every_seed=True).blocks


def test_a_norm_without_a_result_is_not_asked_for_again():
    def record(job: Job) -> Record:
        failed = isinstance(job, Trial) and job.norm == "local"
        return Record(job, "failed", "ValueError: no") if failed else run(job)

    made: dict[str, Record] = {}
    while jobs := [job for block in next_blocks(SMALL, made.values()).blocks for job in block.jobs]:
        made |= {job.key: record(job) for job in jobs}
    cell = make_table(SMALL, list(made.values())).row("suitability for RNNs").cell("local")
    assert (cell.measured, cell.judgement.comparison) == ("failed: ValueError: no", "undecided")
    assert not any(r.job.judged for r in made.values() if isinstance(r.job, Trial) and r.job.norm == "local")


def test_a_diverged_seed_counts_with_the_error_of_chance():
    def record(job: Job) -> Record:
        diverged = isinstance(job, Trial) and job.judged and job.norm == "local" and job.seed == 3
        return Record(job, "diverged", "the training loss was not finite") if diverged else run(job)

    made = [record(r.job) for r in simulate(SMALL).values()]
    cell = make_table(SMALL, made).row("suitability for RNNs").cell("local")
    assert cell.values[3] == TASKS[1].chance_error == 90
    assert [failure.place for failure in cell.judgement.failures] == [3]


def test_placebos_are_rarely_told_from_none_and_harms_are_found():
    # None and its placebos differ by chance; each study has other errors.
    false = missed = 0
    for number in range(12):
        of = Study(TASKS[1:], ("none", "local", "rms", "layer"), tuple(range(1, 200)[number::12])[:10])
        row = make_table(of, list(simulate(of).values())).row("suitability for RNNs")
        false += any(row.cell(norm).judgement.comparison in ("better", "worse") for norm in ("local", "rms"))
        missed += row.cell("layer").judgement.comparison != "worse"
    assert HARMS["layer"] == 2.0
    assert (false, missed <= 4) == (0, True)


@pytest.mark.slow
def test_a_study_that_is_stopped_twice_decides_what_an_uninterrupted_one_does(tmp_path: Path):
    setup = EngineSetup(workers=1)
    for most in (20, 40):
        records = compare(SMALL, tmp_path, setup, function=run)
        for _, _ in zip(range(most), records, strict=False):
            pass
        records.close()
    list(compare(SMALL, tmp_path, setup, function=run))
    assert read_study(tmp_path) == SMALL
    sound, _ = Store(tmp_path).read()
    assert _verdicts(SMALL, sound.values()) == _verdicts(SMALL, simulate(SMALL).values())


def test_a_budget_starts_no_block_that_it_cannot_finish(tmp_path: Path):
    # The runner says that each trial took a second: the pilot of 45 does not fit.
    list(compare(SMALL, tmp_path, EngineSetup(workers=1), function=run, budget=4.0))
    sound, _ = Store(tmp_path).read()
    assert not any(isinstance(record.job, Trial) and record.job.judged for record in sound.values())
    assert len(sound) < 52
