"""What the rows measure, on records made by hand, and the table of a study that is not there yet."""

from __future__ import annotations

from dataclasses import replace

import pytest

from localnorm.lab.measures import MEASURES, Sample, TaskMeasure
from localnorm.lab.measures.choice import GridSetting
from localnorm.lab.measures.judged import judged_trial
from localnorm.lab.records.record import Probe, Trial
from localnorm.lab.study.study import TaskStudy
from localnorm.lab.tasks.corruptions import CORRUPTIONS
from made_records import (
    DIGITS,
    ONE,
    STUDY,
    Ended,
    Fate,
    Run,
    measured,
    of_local,
    of_probe,
    part_of,
    records,
)

# Validation error by learning rate with pilot seeds 1000 and 1001; none has its best at 3e-3, the default.
CHOICES = {
    "the best by the mean over the pilot": ({1e-3: (9, 9), 3e-3: (8, 8), 1e-2: (5, 6)}, 1e-2),
    "of those within one standard error the one nearest to that of none": (
        {1e-3: (9, 9), 3e-3: (6.4, 5), 1e-2: (5, 6)},
        3e-3,
    ),
    "not where it is as far off as the smallest effect": ({1e-3: (9, 9), 3e-3: (9, 3.2), 1e-2: (5, 6)}, 1e-2),
    "not where a pilot seed diverged": ({1e-3: (9, 9), 3e-3: (None, 5), 1e-2: (5, 6)}, 1e-2),
}


@pytest.mark.parametrize("name", CHOICES)
def test_the_learning_rate_is_chosen_on_the_pilot(name: str):
    errors, chosen = CHOICES[name]
    tests = {1e-3: 1.0, 3e-3: 3.0, 1e-2: 0.5}

    def fate(t: Trial) -> Fate:
        if part_of(ONE, t) == "pilot":
            of_seed = {1e-3: 9, 3e-3: 5, 1e-2: 9} if t.norm == "none" else None
            error = of_seed[t.learning_rate] if of_seed else errors[t.learning_rate][t.seed - 1000]
            return Ended() if error is None else Run(validation=error)
        return Run(test=tests.get(t.learning_rate, 9.0) + t.seed, train=0.25, train_mode=1.0)

    found = measured("generalization", records(ONE, fate))
    assert found.values == tuple(tests[chosen] + seed for seed in ONE.seeds)
    assert found.details["learning_rate"] == chosen
    assert (found.details["train_error"], found.details["train_mode_gap"]) == (0.25, 0.75)
    assert found.details["gap"] == pytest.approx(tests[chosen] + 1 - 0.25, rel=1e-12)
    assert (found.seeds_done, found.resolution) == (3, 100 / 500)
    none = measured("generalization", records(ONE, fate), "none")
    assert none.details["learning_rate"] == 3e-3


def test_test_errors_do_not_choose():
    def fate(t: Trial) -> Fate:
        return Run(validation=5.0 if t.learning_rate == 1e-2 else 9.0, test=t.learning_rate)

    assert measured("generalization", records(ONE, fate)).values == (1e-2,) * 3


def test_nothing_is_chosen_before_the_pilot_is_whole():
    def fate(t: Trial) -> Fate:
        return None if (part_of(ONE, t), t.norm, t.seed) == ("pilot", "none", 1001) else Run()

    assert measured("generalization", records(ONE, fate)).missing == "not run yet"


def test_values_end_at_the_first_seed_that_has_not_run_and_a_diverged_one_counts_with_chance():
    def fate(t: Trial) -> Fate:
        if (part_of(ONE, t), t.norm) != ("judged", "local"):
            return Run()
        return {0: Ended(), 1: None, 2: Run()}[t.seed]

    assert (
        measured("generalization", records(ONE, fate)).missing
        == "diverged: the training loss was not finite in epoch 1"
    )
    later = measured(
        "generalization", records(ONE, lambda t: Ended() if fate(t) != Run() and t.seed == 0 else Run())
    )
    assert later.values == (90.0, 10.0, 10.0)
    cut = measured("generalization", records(ONE, lambda t: None if fate(t) is None else Run()))
    assert (cut.values, cut.seeds_done) == ((10.0, None, None), 1)


def test_the_error_chosen_by_is_that_of_the_last_epoch():
    curves = {1e-3: (1.0, 9.0), 3e-3: (9.0, 8.0), 1e-2: (2.0, 9.5)}
    found = measured(
        "generalization",
        of_local("pilot", lambda t: Run(validation=curves[t.learning_rate])),
    )
    assert found.details["learning_rate"] == 3e-3


def test_robustness_is_the_mean_over_corruptions_and_severities():
    found = measured("robustness to noise", of_local("judged", lambda t: Run(test=8.0, corrupted=20.0 + t.seed)))
    assert found.values == (20.0, 21.0, 22.0)
    assert found.details["clean"] == 8.0
    curves = found.details["by_severity"]
    assert list(curves) == list(CORRUPTIONS)
    # Every corruption is a point worse than the one before.
    assert curves["noise"] == [15.0, 16.0, 17.0, 18.0, 19.0]
    assert curves["occlusion"] == [23.0, 24.0, 25.0, 26.0, 27.0]


def test_robustness_relative_to_none_is_the_ratio_of_sums_with_the_same_seeds():
    def fate(t: Trial) -> Fate:
        if t.norm == "none":
            return Run(corrupted=20.0) if t.seed else Run(corrupted=40.0)
        # It has no result for seed 0, where none is bad.
        return Run(corrupted=11.5) if t.seed or not t.judged else Ended("failed", "no")

    found = measured("robustness to noise", records(ONE, fate)).details["relative_to_none"]
    # Means over the severities: 7.5, 8.5, ... beside 16, 17, ...
    ratios = {name: (7.5 + place) / (16 + place) for place, name in enumerate(CORRUPTIONS)}
    assert found == pytest.approx({**ratios, "mean": sum(ratios.values()) / len(ratios)}, rel=1e-12)
    none = measured("robustness to noise", records(ONE, fate), "none").details["relative_to_none"]
    assert none == dict.fromkeys([*ratios, "mean"], 1.0)


def test_a_ratio_to_no_error_at_all_is_not_told():
    made = records(ONE)
    for i, record in enumerate(made):
        if isinstance(record.job, Trial) and record.job.norm == "none" and record.job.corrupted:
            zero = {name: [0.0] * 5 for name in ("noise", "blur")}
            made[i] = replace(record, results={**record.results, "corrupted_error": zero})
        elif isinstance(record.job, Trial) and record.job.corrupted:
            one = {name: [1.0] * 5 for name in ("noise", "blur")}
            made[i] = replace(record, results={**record.results, "corrupted_error": one})
    found = measured("robustness to noise", made).details["relative_to_none"]
    assert found == {"noise": None, "blur": None, "mean": None}


def test_batch_size_and_epochs_are_chosen_with_the_learning_rate():
    task = replace(DIGITS, schedule=replace(DIGITS.schedule, more_batch_sizes=(64,), more_epochs=(5,)))
    study = replace(ONE, tasks=(task, *ONE.tasks[1:]))

    def fate(t: Trial) -> Fate:
        best = (t.learning_rate, t.batch_size, t.epochs) == (1e-2, 64, 5)
        return Run(test=1.0, validation=7.0) if best else Run(test=9.0, validation=8.0)

    made = records(study, fate)
    found = measured("generalization", made, study=study)
    assert found.values == (1.0, 1.0, 1.0)
    assert (found.details["learning_rate"], found.details["batch_size"], found.details["epochs"]) == (1e-2, 64, 5)
    sensitivity = measured("hyperparameter sensitivity", made, study=study)
    assert sensitivity.values == (8.0, 8.0, 8.0), "the defaults are those of the task"
    assert sensitivity.details["tuned"]["epochs"] == 5
    # Of the task's own batch size and epochs, all rates are alike.
    assert sensitivity.details["good_decades"] == pytest.approx(1.0, rel=1e-12)


@pytest.mark.parametrize(
    ("seconds", "at_equal_time"),
    # none takes 3 epochs of 1 s; the curve of local is 30, 20, 10.
    [(0.5, 10.0), (1.0, 10.0), (1.005, 10.0), (1.4, 20.0), (2.0, 30.0), (3.5, None)],
)
def test_recurrent_networks_are_compared_at_equal_steps_and_equal_time(
    seconds: float, at_equal_time: float | None
):
    made = of_local("rows", lambda t: Run(test=4.0 + t.seed, validation=(30.0, 20.0, 10.0), seconds=seconds))
    found = measured("suitability for RNNs", made)
    assert found.values == (4.0, 5.0, 6.0)
    assert found.details == {
        "learning_rate": 3e-3,
        "batch_size": 32,
        "epochs": 3,
        "validation_error_at_equal_steps": 10.0,
        "timed": {"validation_error_at_equal_time": at_equal_time, "seconds_of_none": 3.0},
    }


def test_batch_dependence_is_worst_minus_best():
    def fate(t: Trial) -> Fate:
        if (t.seed, t.batch_size) == (2, 8):
            return Ended("failed", "no")
        return Run(test={8: 4.0, 128: 7.0 + t.seed}[t.batch_size], train_mode={8: 7.5, 128: 5.0}[t.batch_size])

    found = measured("batch-size dependence", of_local("batch", fate))
    assert found.values == (3.0, 4.0, None)
    assert found.details == {
        "test_error_by_batch_size": {"8": 4.0, "128": 8.0},
        "difference_from_none": {"8": -6.0, "128": -2.0},
        "train_mode_gap": {"8": 2.5, "128": 0.0},
    }


def test_a_difference_from_none_is_of_the_same_seed_and_size():
    def fate(t: Trial) -> Fate:
        if t.norm == "none":
            return Ended("failed", "no") if (t.seed, t.batch_size) == (0, 8) else Run(test=10.0 * t.seed)
        return Run(test=1.0 + t.seed)

    found = measured("batch-size dependence", records(ONE, fate))
    # Without seed 0 at batch 8, whose none has no result.
    assert found.details["difference_from_none"] == {"8": -12.5, "128": -8.0}
    none = measured("batch-size dependence", records(ONE, fate), "none")
    assert none.details["difference_from_none"] == {"8": 0.0, "128": 0.0}
    assert none.values == (None, 0.0, 0.0)


def test_nothing_is_known_of_a_size_at_which_none_ended_well():
    made = records(ONE, lambda t: Ended("failed", "no") if (t.norm, t.batch_size) == ("none", 8) else Run())
    assert measured("batch-size dependence", made).details["difference_from_none"] == {"8": None, "128": 0.0}


def test_feature_learning_is_the_error_of_the_probe_at_the_chosen_setting():
    def fate(t: Trial) -> Fate:
        return Run(
            validation=7.0 if t.learning_rate == 1e-2 else 8.0, probe=2.0 + t.seed, sparsity=0.25 * (t.seed % 1000)
        )

    found = measured("feature learning", records(ONE, fate))
    assert found.values == (2.0, 3.0, 4.0)
    assert found.details == {"learning_rate": 1e-2, "batch_size": 32, "epochs": 2, "sparsity": 0.25}


def test_features_that_cannot_be_read_are_no_result():
    some = measured("feature learning", of_local("judged", lambda t: Run(probe=None if t.seed else 1.0)))
    assert some.values == (1.0, None, None)
    silent = measured("feature learning", of_local("judged", lambda _: Run(sparsity=None)))
    assert (silent.values, silent.details["sparsity"]) == ((3.0, 3.0, 3.0), None)
    assert measured("feature learning", of_local("judged", lambda _: Run(probe=None))).missing == "too few results"


FEEDS = {
    "classified images": (DIGITS, True, True),
    "images that are not classified": (replace(DIGITS, classes=0), False, True),
    "images that are not corrupted": (replace(DIGITS, corruptions=()), True, False),
    "rows": (STUDY.tasks[1], False, False),
    "corrupted images to restyle": (replace(DIGITS, kind="style"), False, True),
}


@pytest.mark.parametrize(("task", "features", "robustness"), FEEDS.values(), ids=FEEDS)
def test_which_tasks_feed_feature_learning_and_robustness(task: TaskStudy, features: bool, robustness: bool):
    rows = {measure.name: measure.row(task) for measure in MEASURES if isinstance(measure, TaskMeasure)}
    assert (rows["feature learning"] is not None) == features
    assert (rows["robustness to noise"] is not None) == robustness
    trial = judged_trial(task, "none", 0, GridSetting(1e-3, 32, 2))
    assert (trial.judged, trial.features, trial.corrupted) == (True, features, robustness)


def test_cost_is_that_of_the_run_that_timed_all_norms_side_by_side():
    made = records(ONE, probes={"cost": {"local": [3.0, 4.0], "none": [1.0, 2.0]}})
    alone = of_probe(Probe("cost", ("local",)), {"local": [9.0]})
    for order in ([*made, alone], [alone, *made]):
        found = measured("computational cost", order)
        assert found.values == (3.0, 4.0)
        assert found.details == {
            "kept_bytes_per_input_byte": 1.0,
            "images_per_second": 2.0,
            "network_kept_bytes_per_image": 4096.0,
        }
    assert measured("computational cost", [alone]) == Sample(missing="not run yet")
    refused = replace(made[0], results={"none": made[0].results["none"], "local": {"problem": "ValueError: no"}})
    assert measured("computational cost", [refused]) == Sample(missing="failed: ValueError: no")
    assert measured("computational cost", [refused], "none").values == (1.0, 2.0)


def test_exact_rows_are_read_off_the_probes():
    made = records(ONE, probes={"scope": {"local": "mini-batch"}, "flexibility": {"local": 12}})
    scope, flexibility = (measured(row, made) for row in ("normalization scope", "flexibility"))
    assert (scope.text, scope.values, scope.details["reach"]) == ("mini-batch", (2.0,), "mini-batch")
    assert (flexibility.text, flexibility.values) == ("12 of 13", (12.0,))
    assert list(flexibility.details["checks"].values()) == [None] * 12 + ["no"]


TRAINED = {
    "hyperparameter sensitivity": "pilot",
    "suitability for RNNs": "rows",
    "generalization": "judged",
    "feature learning": "judged",
    "robustness to noise": "judged",
    "batch-size dependence": "batch",
}


@pytest.mark.parametrize("row", TRAINED)
def test_a_missing_result_says_why(row: str):
    assert measured(row, []).missing == "not run yet"
    assert measured(row, of_local(TRAINED[row], lambda _: None)).missing in (
        "not run yet",
        "too few results",
    )
    memory = measured(row, of_local(TRAINED[row], lambda _: Ended("out of memory", "no room")))
    assert memory.missing == "out of memory: no room"


@pytest.mark.parametrize("row", ["normalization scope", "computational cost", "flexibility"])
def test_a_missing_probe_says_why(row: str):
    assert measured(row, []).missing == "not run yet"
    failed = [replace(r, status="failed", message="no", results={}) for r in records(ONE)]
    assert measured(row, failed).missing == "no"


def test_too_few_trials_are_said_so():
    one_size = of_local("batch", lambda t: Run() if t.batch_size == 8 else None)
    assert measured("batch-size dependence", one_size).missing == "too few results"
