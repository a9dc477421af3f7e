"""localnorm tune from end to end on a tiny task: killed, timed out, refused."""

from __future__ import annotations

import json
import os
import signal
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

import user_runners
from localnorm.commands import app
from localnorm.lab.engines.choice import EngineSetup
from localnorm.lab.records.store import Store
from localnorm.lab.run.tune import make_tuning, tune
from localnorm.lab.tasks import task_studies
from localnorm.lab.tuning.sampler import next_setting
from localnorm.lab.tuning.selection import search_records, setting_of
from localnorm.lab.tuning.tuning_file import read_tuning
from user_runners import until

TRIALS = 24
TINY = task_studies(["user_tasks:tiny"])[0]
SMALL = ("tune", "--task", "user_tasks:tiny", "--trials", TRIALS, "--seeds", 3, "--workers", 1)


def _run(*arguments: object):
    return CliRunner().invoke(app, [*map(str, arguments)])


def _killed_and_started_again(folder: Path, words: tuple[object, ...], at: int) -> None:
    """Kill a search, workers and all, as soon as it has some records, and run it again to its end."""
    started = user_runners.localnorm(*words, "--out", folder)
    assert until(lambda: len(list((folder / "records").glob("*.json"))) >= at, seconds=300)
    os.kill(started.pid, signal.SIGKILL)
    started.communicate()
    kept = Store(folder).read()[0]
    trials = read_tuning(folder).trials
    assert at <= len(kept) < trials, "it was killed too late to tell anything"
    again = user_runners.localnorm(*words, "--out", folder, "--json")
    out, err = again.communicate()
    assert again.returncode == 0, err
    # A trial may have been written between the kill of the search and the end of its worker.
    assert f" of {trials} search trials are in {folder} already" in " ".join(err.split())
    assert json.loads(out) == json.loads((folder / "tuned.json").read_text())
    found, _ = Store(folder).read()
    assert {name: found[name] for name in kept} == kept


def _none_is_lost_none_twice(folder: Path) -> None:
    tuning = read_tuning(folder)
    sound, damaged = Store(folder).read()
    assert not damaged
    found = search_records(tuning, sound.values())
    assert len(found) == len({setting_of(trial) for trial, _ in found}) == tuning.trials
    # The number of a trial that was under way when it was killed may be left out.
    assert len({record.timing["number"] for _, record in found}) == tuning.trials


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a search that was killed in the middle and started again."""
    folder = tmp_path_factory.mktemp("tune") / "out"
    _killed_and_started_again(folder, SMALL, 5)
    return folder


@pytest.mark.slow
def test_killed_and_started_again_no_trial_is_lost_or_counted_twice(killed: Path):
    _none_is_lost_none_twice(killed)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["pool", "ray"])
def test_killed_on_the_digits_with_two_workers_no_trial_is_lost_or_counted_twice(engine: str, tmp_path: Path):
    if engine == "ray":
        pytest.importorskip("ray")
    words = ("tune", "--epochs", 2, "--trials", 16, "--seeds", 2, "--workers", 2, "--engine", engine)
    _killed_and_started_again(tmp_path / "out", words, 7)
    _none_is_lost_none_twice(tmp_path / "out")


@pytest.mark.slow
def test_killed_and_started_again_it_tries_what_it_would_have_tried(killed: Path):
    """With one worker each trial is that which follows from the records of those before it."""
    tuning = read_tuning(killed)
    records = list(search_records(tuning, Store(killed).read()[0].values()))
    known = {}
    for number, (trial, record) in enumerate(records):
        assert setting_of(trial) == next_setting(tuning, known, (), number)
        known[str(number)] = record


@pytest.mark.slow
def test_some_trials_were_stopped_early_and_what_was_found_is_compared(killed: Path):
    tuning = read_tuning(killed)
    records = Store(killed).read()[0]
    statuses = [record.status for _, record in search_records(tuning, records.values())]
    assert set(statuses) == {"ok", "pruned"}
    assert statuses[:5] == ["ok"] * 5
    found = json.loads((killed / "tuned.json").read_text())
    assert set(found["candidates"]) == {"article", "tuned", "learned"}
    assert all(None not in candidate["test_errors"] for candidate in found["candidates"].values())
    assert found["candidates"]["tuned"]["code"].startswith("localnorm.torch.LocalResponseNorm(")


@pytest.mark.slow
def test_what_is_done_is_not_done_again_and_report_and_export_read_it(killed: Path, tmp_path: Path):
    before = {path: path.read_bytes() for path in (killed / "records").iterdir()}
    result = _run(*SMALL, "--out", killed)
    assert result.exit_code == 0, result.stderr
    assert {path: path.read_bytes() for path in (killed / "records").iterdir()} == before
    assert _run("report", killed).stdout == result.stdout
    assert json.loads(_run("report", killed, "--json").stdout) == json.loads((killed / "tuned.json").read_text())
    exported = _run("export", "--optuna", tmp_path / "search.db", killed)
    assert (exported.exit_code, exported.stdout.split()[:2]) == (0, [str(TRIALS), "trials:"])


@pytest.mark.slow
def test_a_search_of_no_time_still_compares_and_a_norm_without_hyperparameters_says_so(tmp_path: Path):
    words = ("tune", "--task", "user_tasks:tiny", "--norm", "none", "--timeout", "1e-9", "--seeds", 1)
    result = _run(*words, "--workers", 1, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.stderr
    assert "none has no hyperparameters: only the learning rate is searched" in result.stderr
    assert "torch.nn.Identity()" in result.stdout
    # The defaults, at both learning rates with three seeds, and the better one with the seed of the comparison.
    assert len(list((tmp_path / "out" / "records").iterdir())) == 2 * 3 + 1


def test_a_search_ends_where_its_space_is_used_up_and_says_so(tmp_path: Path):
    words = ("tune", "--task", "user_tasks:tiny", "--norm", "user_norms:scaled", "--lr", "1e-3", "--trials", 9)
    said = "all settings have been tried: the search ends with 3 instead of 9 trials"
    for times in range(2):
        result = _run(*words, "--seeds", 1, "--workers", 1, "--out", tmp_path / "out")
        assert result.exit_code == 0, result.stderr
        assert said in result.stderr
        assert f"{'3 of 9' if times else '9'} search trials" in result.stderr
    found = json.loads((tmp_path / "out" / "tuned.json").read_text())
    assert found["trials"] == 3


@pytest.mark.slow
def test_a_trial_of_a_search_that_takes_too_long_keeps_its_number(tmp_path: Path):
    tuning = make_tuning(replace(TINY, schedule=replace(TINY.schedule, epochs=10**6)), "none", trials=2, seeds=1)
    with closing(tune(tuning, tmp_path, EngineSetup(workers=1, trial_seconds=1))) as records:
        found = [next(records), next(records)]
    assert [(record.status, record.timing) for record in found] == [
        ("timed out", {"number": 0}),
        ("timed out", {"number": 1}),
    ]
    assert [record for _, record in search_records(tuning, Store(tmp_path).read()[0].values())] == found


REFUSED = {
    "--sampler grid": "sampler must be tpe or random, got 'grid'; leave it out",
    "--engine slurm": "an engine must be one of pool, ray, got 'slurm'",
    "--address head:6379": "--address must be given to the engine ray, got head:6379 for pool",
    "--engine ray --address 127.0.0.1:1": "Ray cluster that can be reached, got 127.0.0.1:1: [Errno 111]",
    "--engine pool --gpus-per-worker 1": "--gpus-per-worker must be given to the engine ray, got 1.0 for pool",
    "--trial-seconds -1": "trial-seconds must be a number above 0, got '-1'; leave it out",
    "--trials 0": "trials must be a whole number, at least 1, got '0'",
    "--seeds 0": "seeds must be a whole number, at least 1, got '0'",
    "--workers 0": "workers must be a whole number, at least 1, got '0'",
    "--timeout 0": "timeout must be a number above 0, got '0'",
    "--timeout nan": "timeout must be a number above 0, got 'nan'",
    "--norm lokal": "a norm must be one of none, local",
    "--task digits,adding": "a search must be on one task, got digits, adding; name one with --task",
    "--task faecs": "a task must be one of digits",
    "--norm none --lr 1e-3": "got the norm none without hyperparameters and one learning rate, 0.001",
    "--epochs 2,3": "a search must have one number of epochs, got 2, 3",
    "--norm user_norms:refuses": "no input of rank 4 here",
}


@pytest.mark.parametrize("options", REFUSED)
def test_bad_input_is_explained_on_stderr_and_nothing_is_written(options: str, tmp_path: Path):
    result = _run("tune", *options.split(), "--out", tmp_path / "out")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines()[-1].startswith("error: ")
    assert REFUSED[options] in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_folder_of_another_search_is_refused_and_unchanged(killed: Path):
    before = {path: path.read_bytes() for path in killed.rglob("*") if path.is_file()}
    result = _run(*SMALL, "--norm", "batch", "--out", killed)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "error: an output folder must hold this search" in result.stderr
    assert {path: path.read_bytes() for path in killed.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("command", ["report", "export --optuna there.log"])
def test_a_folder_without_a_search(command: str, tmp_path: Path):
    result = _run(*command.split(), tmp_path)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("error: ")


@pytest.mark.parametrize("command", ["tune", "compare"])
@pytest.mark.parametrize("place", ["/etc/passwd/x", "/dev/null/x"])
def test_a_folder_that_can_not_be_made_is_an_error_that_says_so(command: str, place: str):
    words = ("--seeds", 1, "--epochs", 1, "--task", "user_tasks:tiny", "--workers", 1, "--out", place)
    result = _run(command, *words)
    assert (result.exit_code, result.stdout) == (2, "")
    last = result.stderr.splitlines()[-1]
    assert last.startswith(f"error: a study's folder must be writable, got Not a directory for {place}")
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("command", ["tune", pytest.param("compare", marks=pytest.mark.slow)])
def test_of_two_commands_at_once_in_a_new_folder_one_runs_and_the_other_is_told(command: str, tmp_path: Path):
    words = {
        "tune": ("--trials", 2, "--seeds", 1),
        "compare": ("--norms", "none", "--seeds", 1),
    }[command]
    words = (command, "--task", "user_tasks:tiny", *words, "--workers", 1, "--out", tmp_path / "out")
    both = [user_runners.localnorm(*words, "--lr", rate) for rate in ("1e-3,1e-2", "1e-3,3e-2")]
    errors = [process.communicate(timeout=300)[1] for process in both]
    codes = [process.returncode for process in both]
    assert sorted(codes) == [0, 2], errors
    refused = errors[codes.index(2)].splitlines()[-1]
    assert "one running study at a time" in refused or "which holds another" in refused
    assert not Store(tmp_path / "out").read()[1]


@pytest.mark.slow
def test_status_and_the_log_of_a_search(killed: Path):
    status = _run("status", killed)
    assert status.exit_code == 0, status.stderr
    assert status.stdout.startswith("done: ")
    assert json.loads(_run("status", killed, "--json").stdout)["stage"] == "comparing"
    wrong = _run("tune", "--log", "wandb", "--out", killed)
    assert wrong.exit_code == 2
    assert "a logger must be one of tensorboard, mlflow, got 'wandb'" in wrong.stderr
