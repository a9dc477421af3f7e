"""The command line: what it prints where, and the exit code."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

import localnorm
from localnorm.commands import app, compare, doctor
from localnorm.lab.records.store import Store
from localnorm.lab.study.study import Study
from localnorm.lab.study.study_file import write_study
from localnorm.lab.tasks import task_studies
from made_records import STUDY, records


def _run(*arguments: object):
    return CliRunner().invoke(app, [*map(str, arguments)])


def _study(folder: Path) -> list[Path]:
    """Write a study and its records, made by hand; return their files."""
    write_study(folder, STUDY)
    store = Store(folder)
    for record in records(STUDY):
        store.write(record)
    return sorted(store.records.iterdir())


def _bytes(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


REFUSED = {
    "--norms none,lokal": "one of none, local, local-learned, batch, layer, instance, group, rms, got 'lokal'",
    "--norms none,user_norms:absent": "module 'user_norms' has no attribute 'absent'; check the spelling",
    "--norms none,local,local": "norms must be at least one and no two the same, got ('none', 'local', 'local')",
    "--seeds 0": "--seeds must be at least 1, got 0; five or more can decide something",
    "--seeds -2": "--seeds must be at least 1, got -2",
    "--engine slurm": "an engine must be one of pool, ray, got 'slurm'; leave it out for the pool",
    "--address head:6379": "--address must be given to the engine ray, got head:6379 for pool; add --engine ray",
    "--engine ray --address 127.0.0.1:1 --norms lokal": "can be reached, got 127.0.0.1:1: [Errno 111] Connection",
    "--gpus-per-worker -1": "--gpus-per-worker must be a number above 0, got -1.0; leave it out for none",
    "--trial-seconds 0": "--trial-seconds must be a number above 0, got 0.0; leave it out for no limit",
    "--workers 0": "--workers must be at least 1, got 0; leave it out for one a core",
    "--plan --norms lokal": "got 'lokal'",
    "--task digits,faecs": "got 'faecs'; did you mean faces?",
    "--task digits,digits": "tasks must be at least one and no two the same",
    "--epochs 1.5": "epochs must be whole numbers above 0, got '1.5'",
    "--lr fast": "lr must be numbers above 0, got 'fast'",
    "--batch-size 0": "batch-size must be whole numbers above 0",
    "--study absent.toml": "a study file must be TOML that can be read, got absent.toml",
}


@pytest.mark.parametrize("options", REFUSED)
def test_bad_input_is_said_on_stderr_and_nothing_is_written(options: str, tmp_path: Path):
    result = _run("compare", *options.split(), "--out", tmp_path / "out")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines()[-1].startswith("error: ")
    assert REFUSED[options] in result.stderr
    assert not (tmp_path / "out").exists()


def test_the_version_is_that_of_the_package():
    result = _run("--version")
    assert (result.exit_code, result.stdout) == (0, f"{localnorm.__version__}\n")


def test_a_folder_of_another_study_is_refused_and_unchanged(tmp_path: Path):
    _study(tmp_path)
    before = _bytes(tmp_path)
    result = _run("compare", "--out", tmp_path, "--norms", "none,local")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "error: an output folder must hold this study or part of it" in result.stderr
    assert "nothing was changed: pass another --out" in result.stderr
    assert _bytes(tmp_path) == before


@pytest.mark.parametrize(
    ("options", "norms", "added"),
    [("--norms local", ("none", "local"), True), ("--norms local,none", ("local", "none"), False)],
)
def test_none_is_added_and_said_so(options: str, norms: tuple, added: bool, monkeypatch: pytest.MonkeyPatch):
    seen = []
    monkeypatch.setattr(sys.modules[compare.__module__], "run_study", lambda *given: seen.extend(given))
    monkeypatch.setattr(sys.modules[compare.__module__], "show", lambda folder, as_json: None)  # noqa: ARG005
    result = _run("compare", *options.split(), "--workers", 3, "--seeds", 2)
    assert result.exit_code == 0
    study = Study(task_studies(["digits", "digit-rows"]), norms=norms, seeds=(0, 1))
    assert (seen[:2], seen[2].workers, seen[3]) == ([study, Path("compare")], 3, None)
    assert ("none is added to the norms: every other norm is compared with it" in result.stderr) == added


def test_the_command_line_overrides_the_file_and_names_loggers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    seen = []
    monkeypatch.setattr(sys.modules[compare.__module__], "run_study", lambda *given: seen.extend(given))
    monkeypatch.setattr(sys.modules[compare.__module__], "show", lambda folder, as_json: None)  # noqa: ARG005
    file = tmp_path / "mine.toml"
    file.write_text('task = "digit-rows"\nnorms = ["none", "rms"]\nseeds = 7\nepochs = [2, 3]\nout = "there"\n')
    words = ("--seeds", 2, "--epochs", "5", "--workers", 1, "--lr", "0.001,0.01", "--log", "tensorboard, mlflow")
    result = _run("compare", "--study", file, *words)
    assert result.exit_code == 0, result.stderr
    study, folder, engine, copied, loggers = seen
    assert (folder, engine.workers, copied) == (Path("there"), 1, file)
    assert [type(logger).__name__ for logger in loggers] == ["TensorBoardLogger", "MlflowLogger"]
    assert ([task.name for task in study.tasks], study.norms, study.seeds) == (
        ["digit-rows"], ("none", "rms"), (0, 1)
    )  # fmt: skip
    assert study.tasks[0].schedule.grid == ((0.001, 32, 5), (0.01, 32, 5))


def test_report_prints_the_table_and_writes_it(tmp_path: Path):
    _study(tmp_path)
    result = _run("report", tmp_path)
    assert result.exit_code == 0
    assert "generalization" in result.stdout
    assert result.stderr.startswith(f"report: {tmp_path / 'report.html'}   table: {tmp_path / 'table.json'}")
    assert {path.name for path in tmp_path.iterdir()} >= {"report.html", "table.json", "table.csv"}


def test_json_is_alone_on_stdout(tmp_path: Path):
    _study(tmp_path)
    result = _run("report", tmp_path, "--json")
    table = json.loads(result.stdout)
    assert table == json.loads((tmp_path / "table.json").read_text())
    assert table["study"]["norms"] == list(STUDY.norms)


def test_a_damaged_record_is_named_and_the_rest_printed(tmp_path: Path):
    damaged = _study(tmp_path)[3]
    damaged.write_text("{")
    result = _run("report", tmp_path)
    assert result.exit_code == 3
    assert f"damaged, left out: {damaged}: a record must be complete JSON" in result.stderr
    assert "generalization" in result.stdout


@pytest.mark.parametrize("name", [".", "absent", "file"])
def test_report_of_no_study(name: str, tmp_path: Path):
    (tmp_path / "file").touch()
    result = _run("report", tmp_path / name)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("error: ")
    assert "study.json" in result.stderr


def test_plan_counts_the_trials_and_runs_none(tmp_path: Path):
    # instance can't be timed on rows, which must not keep the rest from being planned.
    words = [
        "compare",
        "--smoke",
        "--plan",
        "--workers",
        1,
        "--norms",
        "none,instance",
        "--out",
        tmp_path / "out",
    ]
    result = _run(*words, "--json")
    assert result.exit_code == 0
    estimate = json.loads(result.stdout)
    # Each norm with two seeds: two learning rates, a draw and two batch sizes; rows at one learning rate.
    by_task = estimate.pop("seconds_by_task")
    assert estimate.pop("seconds") > sum(by_task.values())
    assert estimate == {
        "trials": {"digits": 2 * 2 * (2 + 1 + 2), "digit-rows": 2 * 2},
        "probes": 1 + 2 * 2,
        "trials_per_norm": 12,
        "workers": 1,
    }
    assert all(seconds > 0 for seconds in by_task.values())
    assert not (tmp_path / "out").exists()


def test_plan_in_words(monkeypatch: pytest.MonkeyPatch):
    from localnorm.lab.run import estimate

    made = estimate.Plan({"digits": 20, "digit-rows": 4}, 5, 12, 2, 90.0, {"digits": 60.0, "digit-rows": 18.0})
    monkeypatch.setattr(estimate, "make_plan", lambda study, workers, on_measured: made)  # noqa: ARG005
    result = _run("compare", "--plan", "--norms", "none,local")
    assert result.stdout.splitlines() == [
        "24 trials: 20 on digits (1.0 minutes), 4 on digit-rows (0.3 minutes); 12 for each of 2 norms.",
        "5 probes of cost, scope and flexibility.",
        "About 1.5 minutes with 2 workers, if nothing of it is done yet.",
    ]


@pytest.mark.parametrize(
    ("norm", "words", "reached"),
    [
        ("local", "local: local neighbourhood (divides by the activations of neighbouring channels", 5),
        ("user_norms:even_below", "user_norms:even_below: local neighbourhood (divides by an uneven window)", 4),
        ("none", "none: itself", 1),
    ],
)
def test_scope_draws_what_one_output_reaches(norm: str, words: str, reached: int):
    result = _run("scope", norm)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0].startswith(words)
    assert f"reaches 1 of 3 samples, {reached} of 32 channels, 1 of 25 positions" in lines[1]
    drawn = [line.split() for line in lines[4:]]
    assert len(drawn) == 32
    assert all(len(part) == 25 for line in drawn for part in line)
    # The output itself is drawn as O, in the middle of sample 1 and of channel 13.
    assert drawn[13][1] == "." * 12 + "O" + "." * 12
    marks = [channel for channel, line in enumerate(drawn) if "#" in line[1]]
    assert marks == [channel for channel in range(11, 11 + reached + 1) if channel != 13][: reached - 1]
    assert sum(line.count("#") for line in lines[4:]) == reached - 1


def test_scope_of_an_unknown_norm():
    result = _run("scope", "lokal")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "error: a norm must be one of none, local" in result.stderr


def test_doctor_finds_the_api_exact_here():
    result = _run("doctor")
    assert result.exit_code == 0
    apis = (
        "numpy API, float32",
        "torch API, float32",
        "torch API, float64",
        "jax API, float32",
        "keras API",
        "compiled kernel",
        "kept in",
    )
    for words in (*apis, "extra lab", "processor"):
        assert words in result.stdout
    assert "NOT EXACT" not in result.stdout


def test_doctor_names_every_extra_and_how_to_install_those_that_are_missing(monkeypatch: pytest.MonkeyPatch):
    real = importlib.util.find_spec
    absent = {"ray", "tensorboard", "mlflow", "datasets"}
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in absent else real(name))
    lines = _run("doctor").stdout.splitlines()
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    for extra in set(project["optional-dependencies"]) - {"dev"}:
        (line,) = (line for line in lines if line.startswith(f"extra {extra} "))
        missing = f"missing {extra}: pip install 'localnorm[{extra}]'"
        assert line.split(maxsplit=2)[2].rstrip() == (missing if extra in absent else "installed")


def test_doctor_ends_with_1_where_a_api_is_not_exact(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys.modules[doctor.__module__], "_torch_errors", lambda: {"float32": 8.0, "float64": 8.1})
    result = _run("doctor")
    assert result.exit_code == 1
    assert result.stdout.count("NOT EXACT HERE") == 1


@pytest.mark.parametrize("absent", ["typer", "rich", "rich.progress"])
def test_without_the_extra_the_command_says_what_to_install(absent: str):
    code = f"import sys; sys.modules[{absent!r}] = None; from localnorm.cli import main; main()"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("localnorm's command line needs packages that are not installed (")
    assert ended.stderr.endswith("install them with: pip install 'localnorm[lab]'.\n")


def test_a_fault_of_our_own_is_not_taken_for_a_missing_package():
    code = "import sys; sys.modules['localnorm.commands.report'] = None; from localnorm.cli import main; main()"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "ModuleNotFoundError: import of localnorm.commands.report halted" in ended.stderr
    assert "pip install" not in ended.stderr
