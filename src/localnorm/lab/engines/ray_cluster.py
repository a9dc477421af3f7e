"""Start Ray on this machine or join a cluster, and check that the workers fit."""

from __future__ import annotations

import importlib.util
import math
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from localnorm.errors import LabError, MissingExtraError

_REACH_SECONDS, _ANSWER_SECONDS = 3, 8
"""Time limits for the connection and for the health check: together less than 20 seconds."""
_STORE_BYTES = 100_000_000
"""Ray's object store, which only holds records in transit."""
# Set before Ray is imported, because it reads some of them then; values that the user has set are kept.
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_GCS_SERVER_REQUEST_TIMEOUT_SECONDS": "10",
}


def import_ray() -> Any:  # noqa: ANN401  a module whose types are not followed
    """Import Ray without usage statistics and with little output.

    Raises:
        MissingExtraError: it is not installed.
    """
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    try:
        import ray
    except ImportError:
        raise MissingExtraError(
            "the engine ray needs Ray, which is not installed: pip install 'localnorm[ray]', or drop --engine."
        ) from None
    return ray


@contextmanager
def cluster(address: str | None, workers: int | None, cores: int, gpus_per_worker: float) -> Iterator[int]:
    """Start Ray on this machine or join a cluster, and shut down or leave it at the end.

    If this process is connected to Ray already, that connection is used and kept.

    Args:
        address: ``host:port`` of the head of a cluster that this machine belongs to; None starts Ray here.
        workers: number of workers; None for as many as fit.
        cores: of this machine: the CPUs that Ray gets if it is started here and `workers` is None.
        gpus_per_worker: GPUs reserved for each worker: a fraction below 1, a whole number above, 0 for none.

    Yields:
        The number of workers.

    Raises:
        MissingExtraError: Ray is not installed.
        LabError: the cluster can't be reached, or has fewer CPUs or GPUs than requested.
    """
    if gpus_per_worker > 1 and gpus_per_worker != int(gpus_per_worker):
        raise LabError(
            f"GPUs per worker must be a fraction of one or a whole number, got {gpus_per_worker:g}; "
            f"give {math.ceil(gpus_per_worker)}."
        )
    ray = import_ray()
    connected = ray.is_initialized()
    if not connected:
        _connect(ray, address, workers or cores)
    try:
        yield _usable_workers(ray.cluster_resources(), workers, gpus_per_worker, address)
    finally:
        if not connected:
            ray.shutdown()


def _connect(ray: Any, address: str | None, slots: int) -> None:  # noqa: ANN401  as import_ray
    options: dict[str, Any] = {"logging_level": "ERROR", "log_to_driver": False}
    if address is None:
        ray.init("local", num_cpus=slots, include_dashboard=False, object_store_memory=_STORE_BYTES, **options)
        return
    check_address(address)
    try:
        ray.init(address, **options)
    except (ConnectionError, RuntimeError, ValueError, OSError) as problem:
        raise LabError(
            f"--address must be a Ray cluster that this machine belongs to, got {address}: {problem}; "
            f"start Ray here with ray start --address {address}, or drop --address to use this machine alone."
        ) from None


def check_address(address: str) -> None:
    """Check that a cluster answers, in another process, because Ray's own connection attempt has no time limit.

    Args:
        address: ``host:port``; ``auto`` can't be checked beforehand.

    Raises:
        MissingExtraError: Ray is not installed.
        LabError: no cluster answers in time.
    """
    if importlib.util.find_spec("ray") is None:
        import_ray()
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or "/" in address:
        raise LabError(
            f"--address must be the host:port of a Ray cluster's head, or auto, got {address!r}; "
            "ray start --head prints it; the default port is 6379."
        )
    check = "host and port, and that ray start --head was run there"
    try:
        socket.create_connection((host.strip("[]"), int(port)), _REACH_SECONDS).close()
        check = "the port and the token"
        command = [sys.executable, "-m", "ray.scripts.scripts", "health-check", "--address", address]
        answer = subprocess.run(command, capture_output=True, timeout=_ANSWER_SECONDS, check=False)  # noqa: S603
        problem: object = "the service there is not Ray of this version"
        if answer.returncode == 0:
            return
        if b"AuthenticationError" in answer.stderr:
            problem = "it requires a token: set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN"
    except subprocess.TimeoutExpired:
        problem = f"it did not answer as Ray within {_ANSWER_SECONDS} seconds"
    except (OSError, OverflowError) as caught:
        problem = caught
    raise LabError(
        f"--address must be a Ray cluster that can be reached, got {address}: {problem}; check {check}, "
        "or drop --address to use this machine alone."
    )


def _usable_workers(
    resources: dict[str, float], workers: int | None, gpus_per_worker: float, address: str | None
) -> int:
    """Return the number of workers to start.

    Raises:
        LabError: they do not fit.
    """
    place = f"the cluster at {address}" if address else "this machine"
    cores, gpus = resources.get("CPU", 0), resources.get("GPU", 0)
    most = int(cores)
    if gpus_per_worker:
        # Workers share a GPU or have several; no worker has parts of two.
        each = gpus / gpus_per_worker if gpus_per_worker > 1 else gpus * int(1 / gpus_per_worker + 1e-9)
        if each < (workers or 1):
            raise LabError(
                f"workers must fit on the available GPUs, got {workers or 1} with {gpus_per_worker:g} GPU "
                f"each on {place}, which has {gpus:g}; pass fewer --workers or less --gpus-per-worker."
            )
        most = min(most, int(each))
    wanted = workers or most
    if not 1 <= wanted <= cores:
        raise LabError(
            f"workers must have a core each, got {max(wanted, 1)} on {place}, which gives Ray {cores:g}; "
            "pass fewer --workers, or start Ray with more --num-cpus."
        )
    return wanted
