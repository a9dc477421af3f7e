"""Command line: output, exit codes, and errors without torch."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
import warnings
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.testing import CliRunner

import localnorm
from localnorm.commands import app, doctor
from localnorm.lab.records.store import Store
from localnorm.lab.run.settings import SearchSettings, StudySettings
from localnorm.lab.study.study import Study
from localnorm.lab.study.study_file import write_study
from localnorm.lab.tasks import task_studies
from made_records import STUDY, records
from user_runners import captured_runs


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
    "--norms none,lokal": "batch-renorm, pixel, gdn, nf, got 'lokal'",
    "--norms none,user_norms:absent": "module 'user_norms' has no attribute 'absent'; check the spelling",
    "--norms none,local,local": "no two the same, got none, local, local; drop the repeats",
    "--seeds 0": "or a list of seeds from 0 on, got '0'; 6 or more can decide something",
    "--seeds -2": "from 0 on, got '-2'",
    "--engine slurm": "an engine must be one of pool, ray, got 'slurm'; check the spelling. Leave it out",
    "--address head:6379": "--address must be given to the engine ray, got head:6379 for pool; add --engine ray",
    "--engine ray --address 127.0.0.1:1 --norms lokal": "can be reached, got 127.0.0.1:1: [Errno 111] Connection",
    "--gpus-per-worker -1": "gpus-per-worker must be a number above 0, got '-1'; leave it out",
    "--trial-seconds 0": "trial-seconds must be a number above 0, got '0'; leave it out",
    "--workers 0": "workers must be a whole number, at least 1, got '0'; leave it out",
    "--plan --norms lokal": "got 'lokal'",
    "--task digits,faecs": "got 'faecs'; did you mean faces?",
    "--task digits,digits": "tasks must be at least one and no two the same",
    "--epochs 1.5": "epochs must be whole numbers above 0, got '1.5'",
    "--lr fast": "lr must be numbers above 0, got 'fast'",
    "--batch-size 0": "batch-size must be whole numbers above 0",
    "--study absent.toml": "a study file must be readable TOML, got absent.toml",
}


@pytest.mark.parametrize("options", REFUSED)
def test_bad_input_is_explained_on_stderr_and_nothing_is_written(options: str, tmp_path: Path):
    result = _run("compare", *options.split(), "--out", tmp_path / "out")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines()[-1].startswith("error: ")
    assert REFUSED[options] in result.stderr
    assert not (tmp_path / "out").exists()


def test_the_version_is_that_of_the_package():
    result = _run("--version")
    assert (result.exit_code, result.stdout) == (0, f"{localnorm.__version__}\n")


def test_the_version_is_in_one_place():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert "version" not in project
    assert "version" in project["dynamic"]
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*", localnorm.__version__)
    assert version("localnorm") == localnorm.__version__, "the build must read it from src/localnorm/__init__.py"


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
    runs = captured_runs(monkeypatch)
    result = _run("compare", *options.split(), "--workers", 3, "--seeds", 2)
    assert result.exit_code == 0
    study = Study(task_studies(["digits", "digit-rows"]), norms=norms, seeds=(0, 1))
    (run,) = runs
    assert (run["study"], run["folder"], run["engine"].workers) == (study, Path("compare"), 3)
    assert ("none is added to the norms: every other norm is compared with it" in result.stderr) == added


def test_the_command_line_overrides_the_file_and_names_loggers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    runs = captured_runs(monkeypatch)
    file = tmp_path / "mine.toml"
    file.write_text('task = "digit-rows"\nnorms = ["none", "rms"]\nseeds = 7\nepochs = [2, 3]\nout = "there"\n')
    words = ("--seeds", 2, "--epochs", "5", "--workers", 1, "--lr", "0.001,0.01", "--log", "tensorboard, mlflow")
    result = _run("compare", "--study", file, *words)
    assert result.exit_code == 0, result.stderr
    (run,) = runs
    study = run["study"]
    assert (run["folder"], run["engine"].workers) == (Path("there"), 1)
    names = [type(callback).__name__ for callback in run["callbacks"]]
    assert names == ["ProgressDisplay", "TensorBoardLogger", "MlflowLogger", "KeepFile"]
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
    assert "study.json or tune.json" in result.stderr


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
    assert estimate.pop("pilot_seconds") > 0
    # Of each norm and the pilot seed: two learning rates, a random-search sample, the best of them again; rows at
    # one rate. Of each norm and judged seed: the chosen setting, the tuned one and two batch sizes.
    assert estimate == {
        "pilot_trials": {"digits": 2 * (2 + 1 + 1), "digit-rows": 2},
        "judged_trials": {"digits": 2 * (1 + 1 + 2), "digit-rows": 2},
        "probes": 1 + 2 * 2,
        "workers": 1,
        "look_seconds": {},
    }
    assert not (tmp_path / "out").exists()


def test_plan_in_words(monkeypatch: pytest.MonkeyPatch):
    from localnorm.lab.run import estimate

    looks = {6: 120.0, 10: 180.0, 16: 310.0}
    made = estimate.StudyEstimate(
        {"digits": 20, "digit-rows": 4}, {"digits": 8, "digit-rows": 2}, 5, 2, 60.0, looks
    )
    monkeypatch.setattr(estimate, "estimate", lambda study, workers, on_measured: made)  # noqa: ARG005
    result = _run("compare", "--plan", "--norms", "none,local")
    assert result.stdout.splitlines() == [
        "Pilot: 20 on digits, 4 on digit-rows trials and 5 probes, about 1.0 minutes with 2 workers.",
        "Each judged seed: 8 on digits, 2 on digit-rows trials for 2 norms.",
        (
            "Judged seeds, if nothing is decided before: "
            "6 after 2.0 minutes, 10 after 3.0 minutes, 16 after 5.2 minutes."
        ),
        "The budget of 5.0 minutes reaches the look at 10 judged seeds at least; decided cells get no more seeds.",
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


def test_doctor_checks_every_api_and_prints_ascii():
    """In a terminal that is narrow and knows ASCII only; rich shortens long words with a character beyond it."""
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "COLUMNS": "40"}
    command = [sys.executable, "-m", "localnorm", "doctor"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert (ended.returncode, ended.stderr) == (0, "")
    for words in (
        "numpy API, float32",
        "torch API, float64",
        "jax API, float32",
        "keras API",
        "CPU kernel",
        "extra lab",
    ):
        assert words in ended.stdout
    assert "NOT EXACT" not in ended.stdout


def test_doctor_names_every_extra_and_how_to_install_those_that_are_missing(monkeypatch: pytest.MonkeyPatch):
    absent = {"ray", "tensorboard", "mlflow-skinny", "datasets"}
    module = sys.modules[doctor.__module__]
    installed = module._installed
    monkeypatch.setattr(module, "_installed", lambda name: name not in absent and installed(name))
    lines = dict(module._packages())
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    for extra in set(project["optional-dependencies"]) - {"dev"}:
        missing = [name for name in absent if name.partition("-")[0] == extra]
        advice = f"missing {', '.join(missing)}: pip install 'localnorm[{extra}]'"
        assert lines[f"extra {extra}"] == (advice if missing else "installed")


def test_doctor_follows_extras_within_extras(monkeypatch: pytest.MonkeyPatch):
    """Build backends write them into the metadata, or what they stand for."""
    module = sys.modules[doctor.__module__]
    written = [
        "numpy>=1",
        "localnorm[torch]; extra == 'gpu'",
        "triton>=3; extra == 'gpu'",
        "torch; extra == 'torch'",
    ]
    monkeypatch.setattr(module, "requires", lambda _: written)
    assert module._required("gpu") == {"torch", "triton"}


def test_doctor_gives_the_reason_why_a_kernel_is_not_used():
    module = sys.modules[doctor.__module__]

    def absent() -> None:
        warnings.warn("the library is missing", RuntimeWarning, stacklevel=2)

    assert module._kernel(absent) == "not used; the library is missing"


def test_doctor_exits_with_1_if_an_api_is_not_exact(monkeypatch: pytest.MonkeyPatch):
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


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("compare", "--norms", "none,lokal"), "got 'lokal'; did you mean local?"),
        (("compare", "--task", "digitz"), "a task must be one of digits, digit-rows,"),
        (("tune", "--norm", "lokal"), "got 'lokal'; did you mean local?"),
        (("tune", "--task", "digitz"), "a task must be one of digits, digit-rows,"),
        (("tune", "--sampler", "grid"), "sampler must be tpe or random, got 'grid'"),
        (("scope", "lokal"), "got 'lokal'; did you mean local?"),
        (("compare", "--epochs", "1.5"), "epochs must be whole numbers above 0"),
    ],
)
def test_a_misspelt_value_is_answered_without_torch(arguments: tuple[str, ...], text: str):
    code = (
        "import sys\nfrom localnorm.cli import main\nsys.argv[1:] = sys.argv[1:]\n"
        "try:\n    main()\nfinally:\n    print('torch' in sys.modules)"
    )
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "False\n")
    assert text in done.stderr


def test_compare_of_two_folders_names_the_command_to_use(tmp_path: Path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    result = _run("compare", tmp_path / "a", tmp_path / "b")
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"localnorm diff {tmp_path / 'a'} {tmp_path / 'b'}" in result.stderr
    result = _run("compare", "--lr", "1e-3", "3e-3")
    assert "got 3e-3; separate several values by commas, as in --lr 1e-3,3e-3" in result.stderr


@pytest.mark.parametrize("command", ["status", "report"])
def test_the_folder_is_that_of_compare_by_default(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    result = _run(command)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "must hold study.json or tune.json, got compare, which is no folder" in result.stderr
    _study(tmp_path / "compare")
    assert _run(command).exit_code == 0


def test_a_plan_for_ray_says_that_it_is_measured_in_the_pool(monkeypatch: pytest.MonkeyPatch):
    from localnorm.lab.run import estimate

    made = estimate.StudyEstimate({"digits": 1}, 1, 1, 1, 90.0, {"digits": 60.0})
    monkeypatch.setattr(estimate, "estimate", lambda study, workers, on_measured: made)  # noqa: ARG005
    words = ("compare", "--plan", "--task", "digits", "--norms", "none", "--engine")
    assert "the time is measured in the local pool" in _run(*words, "ray").stderr
    assert "local pool" not in _run(*words, "pool").stderr


def test_every_setting_has_an_option_with_help():
    for command, settings in (("compare", StudySettings), ("tune", SearchSettings)):
        shown = " ".join(_run(command, "--help").stdout.split())
        for name, field in settings.model_fields.items():
            assert field.description
            assert (f"--{name.replace('_', '-')}" in shown) == (name != "schedule")
