"""Ray: clusters of two nodes, and requests that a cluster cannot meet."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import user_runners
from localnorm.errors import LabError, MissingExtraError
from localnorm.lab.engines.choice import EngineOptions, started
from localnorm.lab.engines.ray_cluster import _usable_workers, cluster
from localnorm.lab.records.record import key
from localnorm.lab.records.store import Store
from localnorm.lab.run.runner import run_jobs
from user_runners import alive, pids, runner, trials, until


@pytest.fixture
def deaf() -> Iterator[str]:
    """An address that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("head", "must be the host:port of a Ray cluster's head, or auto, got 'head'"),
        ("ray://head:10001", "must be the host:port of a Ray cluster's head, or auto, got 'ray://head:10001'"),
        ("127.0.0.1:1", "can be reached, got 127.0.0.1:1: .*refused; check host and port, and that ray start"),
        ("127.0.0.1:99999", "can be reached, got 127.0.0.1:99999: "),
        ("no-such-host.invalid:6379", "can be reached, got no-such-host.invalid:6379: .*; check host and port"),
    ],
)
def test_an_address_where_no_cluster_is(address: str, said: str):
    pytest.importorskip("ray")
    began = time.monotonic()
    with pytest.raises(LabError, match=said), started(EngineOptions("ray", address=address)):
        pass
    assert time.monotonic() - began < 20


@pytest.mark.slow
def test_an_address_where_something_else_listens(deaf: str):
    pytest.importorskip("ray")
    began = time.monotonic()
    with (
        pytest.raises(LabError, match=f"got {deaf}: .*; check the port and the token, or drop --address"),
        cluster(deaf, 1, 1, 0),
    ):
        pass
    assert time.monotonic() - began < 20


def test_without_ray(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with (
        pytest.raises(MissingExtraError, match=r"pip install 'localnorm\[ray\]'"),
        started(EngineOptions("ray", workers=1)),
    ):
        pass


@pytest.mark.parametrize(
    ("there", "workers", "share", "room"),
    [
        ({"CPU": 8.0}, None, 0, 8),
        ({"CPU": 8.0}, 3, 0, 3),
        ({"CPU": 96.0, "GPU": 8.0}, None, 0.25, 32),
        ({"CPU": 96.0, "GPU": 8.0}, None, 0.3, 24),
        ({"CPU": 16.0, "GPU": 8.0}, None, 0.25, 16),
        ({"CPU": 16.0, "GPU": 8.0}, None, 2, 4),
    ],
)
def test_there_are_as_many_workers_as_there_is_room_for(there: dict, workers: int | None, share: float, room: int):
    assert _usable_workers(there, workers, share, None) == room


@pytest.mark.parametrize(
    ("there", "workers", "share", "said"),
    [
        ({"CPU": 2.0}, None, 0.5, "got 1 with 0.5 GPU each on this machine, which has 0; pass fewer --workers or"),
        ({"CPU": 64.0, "GPU": 2.0}, 5, 0.5, "got 5 with 0.5 GPU each on this machine, which has 2"),
        ({"CPU": 64.0, "GPU": 4.0}, 1, 8, "got 1 with 8 GPU each on this machine, which has 4"),
        ({"CPU": 2.0}, 3, 0, "workers must have a core each, got 3 on this machine, which gives Ray 2"),
        ({}, None, 0, "workers must have a core each, got 1 on this machine, which gives Ray 0"),
    ],
)
def test_no_more_is_asked_for_than_there_is(there: dict, workers: int | None, share: float, said: str):
    with pytest.raises(LabError, match=said):
        _usable_workers(there, workers, share, None)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"engine": "slurm"}, "an engine must be one of pool, ray, got 'slurm'"),
        (
            {"address": "head:6379"},
            "--address must be given to the engine ray, got head:6379 for pool; add --engine",
        ),
        ({"gpus_per_worker": 0.5}, "--gpus-per-worker must be given to the engine ray, got 0.5 for pool"),
    ],
)
def test_options_that_an_engine_does_not_have(options: dict, said: str):
    with pytest.raises(LabError, match=said):
        EngineOptions(**options)


def test_a_share_is_of_one_gpu():
    with (
        pytest.raises(LabError, match=r"a fraction of one or a whole number, got 1\.5; give 2"),
        cluster(None, 1, 1, 1.5),
    ):
        pass


def _named_after_its_node(job):
    """Run a job and leave a mark that says where."""
    import ray

    record = runner(job)
    (Path(job.model) / f"node.{ray.get_runtime_context().get_node_id()}").touch()
    return record


@pytest.mark.slow
def test_jobs_run_in_ray_on_this_machine(tmp_path: Path):
    """The conformance suite takes a while on Ray; this is a short one."""
    pytest.importorskip("ray")
    jobs, store = trials(tmp_path, "quick", "no memory", "quick"), Store(tmp_path)
    with started(EngineOptions("ray", workers=1)) as engine:
        records = {key(r.job): r for r in run_jobs(jobs, store, replace(engine, workers=1), function=runner)}
    assert [records[key(job)].status for job in jobs] == ["ok", "out of memory", "ok"]
    assert store.read() == (records, ())
    assert os.getpid() not in pids(tmp_path)
    assert until(lambda: not any(map(alive, pids(tmp_path))))


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT])
def test_a_command_that_is_ended_leaves_no_worker_and_run_again_trains_what_is_missing(
    sent: signal.Signals, tmp_path: Path
):
    pytest.importorskip("ray")
    folder = tmp_path / "out"
    study = ("compare", "--task", "digits", "--norms", "none,local", "--seeds", 2, "--epochs", 1, "--lr", "0.01")
    words = (*study, "--engine", "ray", "--workers", 2, "--out", folder)

    def written() -> dict[Path, tuple[int, int]]:
        return {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in folder.glob("records/*.json")}

    process = user_runners.localnorm(*words)
    # The probes of cost are alone in an engine of one; then there are two workers.
    assert until(lambda: len(written()) >= 7, seconds=300)
    processes = user_runners.offspring(process.pid)
    workers = [pid for pid, words in processes.items() if "ray::RemoteWorker" in words]
    assert len(workers) >= 1
    process.send_signal(sent)
    _, said = process.communicate()
    assert (process.returncode, "Traceback" in said) == (-9 if sent == signal.SIGKILL else 130, False), said
    assert until(lambda: not any(map(alive, workers)), seconds=20)
    # Ray's own helpers notice within a minute where nothing could tell them.
    assert until(lambda: not any(map(alive, processes)), seconds=120 if sent == signal.SIGKILL else 20)
    kept = written()
    again = user_runners.localnorm(*words)
    _, said = again.communicate()
    assert again.returncode == 0, said
    found = written()
    total = int(said.split(" jobs are in ")[0].split()[-1])
    assert len(kept) < len(found) == total
    assert {path: found[path] for path in kept} == kept


@pytest.mark.slow
def test_a_study_runs_on_two_nodes_and_outlives_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("ray")
    cluster_utils = pytest.importorskip("ray.cluster_utils")
    # So that the nodes find user_runners, as they would find what is installed on them.
    monkeypatch.setenv("PYTHONPATH", user_runners.ENVIRONMENT["PYTHONPATH"])
    nodes = cluster_utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        second = nodes.add_node(num_cpus=1)
        nodes.wait_for_nodes()
        monkeypatch.chdir(tmp_path)
        jobs, store = trials(tmp_path, "meets", "meets", *["quick"] * 4), Store(tmp_path)
        choice = EngineOptions("ray", address=nodes.address)
        with started(choice) as engine:
            assert engine.workers == 2
            records = run_jobs(jobs, store, replace(engine, workers=2), function=_named_after_its_node)
            assert {record.status for record in records} == {"ok"}
            assert len(list(tmp_path.glob("node.*"))) == 2
            more = trials(tmp_path, *["slow"] * 8)
            records = run_jobs(more, store, replace(engine, workers=2), function=_slow)
            next(records)
            nodes.remove_node(second, allow_graceful=False)
            assert len(list(records)) == 7
        sound, damaged = store.read()
        assert (set(sound), damaged) == ({key(job) for job in (*jobs, *more)}, ())
        assert os.getpid() not in pids(tmp_path)
    finally:
        nodes.shutdown()


def _slow(job):
    time.sleep(1)
    return runner(job)
