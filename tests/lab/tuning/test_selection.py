"""Choice of the best setting: by validation error alone, whatever the test data are."""

from __future__ import annotations

from dataclasses import replace

from localnorm.lab.records.record import Record, Trial, key
from localnorm.lab.tuning import selection
from localnorm.lab.tuning.results import make_tuned
from localnorm.lab.tuning.selection import choosing_trials, finalists, search_records, setting_of
from localnorm.lab.tuning.tuning import CHOOSING, Setting
from made_tunings import TUNING, far, finished, record, searched


def _best(records: dict[str, Record]) -> Setting:
    return make_tuned(TUNING, records.values()).best.setting


def test_the_best_over_the_seeds_is_chosen_and_test_errors_do_not_matter():
    records = finished(TUNING)
    tried = {setting_of(record.job) for record in records.values() if record.job.norm == "local"}
    best = min(tried, key=lambda setting: far(TUNING.trial(setting, 0)))
    assert _best(records) == best
    assert _best(finished(TUNING, test=lambda trial: 100 - far(trial))) == best


def test_the_defaults_are_chosen_where_nothing_better_was_found():
    records = finished(TUNING, errors=lambda trial: 1.0 + bool(trial.settings) + trial.learning_rate)
    assert _best(records) == Setting("local", 1e-3)


def test_a_setting_with_a_seed_that_did_not_end_well_is_not_chosen():
    records = finished(TUNING)
    best = _best(records)
    lost = TUNING.trial(best, CHOOSING[-1])
    assert _best({**records, key(lost): record(lost, 0.0, status="diverged")}) != best


def test_only_what_went_to_its_end_is_a_finalist():
    records = searched(TUNING, status=lambda number: ("ok", "ok", "pruned", "ok", "diverged")[number % 5])
    found = finalists(TUNING, records)
    assert len(found) == selection.FINALISTS
    ended = {setting_of(r.job): far(r.job) for r in records.values() if r.status == "ok" and r.job.settings}
    assert list(found) == sorted(ended, key=lambda setting: ended[setting])[: selection.FINALISTS]


def test_trials_of_the_three_parts():
    records = searched(TUNING)
    trials = list(choosing_trials(TUNING, records))
    assert len(set(trials)) == len(trials) == (2 + selection.FINALISTS + 2) * 3
    assert {trial.norm for trial in trials} == {"local", "local-learned"}
    # Nothing is known of most settings yet, so there is nothing to compare.
    assert list(selection.compared_trials(TUNING, records)) == []
    whole = finished(TUNING)
    compared = list(selection.compared_trials(TUNING, whole))
    assert len(set(compared)) == len(compared) == 3 * 6
    assert {trial.seed for trial in compared} == {3, 4, 5, 6, 7, 8}
    assert not {trial.seed for trial in compared} & set(CHOOSING)
    assert len(search_records(TUNING, whole.values())) == TUNING.trials
    assert len(search_records(replace(TUNING, norm="batch"), whole.values())) == 0


def test_records_of_other_studies_are_no_part_of_the_search():
    records = searched(TUNING, until=4)
    other = Trial("digits", "textbook_cnn", "local", 0, 1e-3, 64, 3)
    corrupted = replace(TUNING.trial(Setting("local", 1e-3), 0), corrupted=True)
    more = {key(trial): record(trial, 1.0) for trial in (other, corrupted)}
    assert len(search_records(TUNING, {**records, **more}.values())) == 4
