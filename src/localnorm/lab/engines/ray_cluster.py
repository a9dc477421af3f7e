"""Starting Ray on this machine or joining a cluster, and asking for no more than is there."""

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
"""How long an address may take to be reached, and then to answer as Ray: together less than 20 seconds."""
_STORE_BYTES = 100_000_000
"""What Ray may hold of records that are on their way."""
# Before Ray is imported, since it reads some of them then; what a user has set stays.
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_GCS_SERVER_REQUEST_TIMEOUT_SECONDS": "10",
}


def import_ray() -> Any:  # noqa: ANN401  a module whose types are not followed
    """Return Ray, which is told to send no usage statistics and to print nothing.

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
    """Start Ray on this machine, or join a cluster; leave it at the end, and end what was started.

    Where this process is connected to Ray already, that is used and left as it is.

    Args:
        address: ``host:port`` of the head of a cluster that this machine is part of; None starts one here.
        workers: how many are wanted; None for as many as there is room for.
        cores: of this machine; Ray that is started here has as many slots, or as workers are wanted.
        gpus_per_worker: part of a GPU that each worker has for itself: above 1 a whole number, 0 for none.

    Yields:
        The number of workers.

    Raises:
        MissingExtraError: Ray is not installed.
        LabError: no such cluster, or more workers or GPUs asked for than it has.
    """
    if gpus_per_worker > 1 and gpus_per_worker != int(gpus_per_worker):
        raise LabError(
            f"GPUs per worker must be a part of one or a whole number, got {gpus_per_worker:g}; "
            f"give {math.ceil(gpus_per_worker)}."
        )
    ray = import_ray()
    joined = ray.is_initialized()
    if not joined:
        _connect(ray, address, workers or cores)
    try:
        yield _room(ray.cluster_resources(), workers, gpus_per_worker, address)
    finally:
        if not joined:
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
            f"--address must be that of a Ray cluster which this machine is part of, got {address}: {problem}; "
            f"start Ray here with ray start --address {address}, or drop --address to use this machine alone."
        ) from None


def check_address(address: str) -> None:
    """Ask whether a cluster is there, in another process: Ray's own attempt can't be given up.

    Args:
        address: ``host:port``; of ``auto`` nothing is known beforehand.

    Raises:
        MissingExtraError: Ray is not installed.
        LabError: none is there, or none that answers in time.
    """
    if importlib.util.find_spec("ray") is None:
        import_ray()
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or "/" in address:
        raise LabError(
            f"--address must be the host:port of a Ray cluster's head, or auto, got {address!r}; "
            "ray start --head prints it, port 6379 unless it is told another."
        )
    check = "host and port, and that ray start --head was run there"
    try:
        socket.create_connection((host.strip("[]"), int(port)), _REACH_SECONDS).close()
        check = "the port and the token"
        asked = [sys.executable, "-m", "ray.scripts.scripts", "health-check", "--address", address]
        answered = subprocess.run(asked, capture_output=True, timeout=_ANSWER_SECONDS, check=False)  # noqa: S603
        problem: object = "what answers there is no Ray of this version"
        if answered.returncode == 0:
            return
        if b"AuthenticationError" in answered.stderr:
            problem = "it asks for a token: set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN to its own"
    except subprocess.TimeoutExpired:
        problem = f"it did not answer as Ray within {_ANSWER_SECONDS} seconds"
    except (OSError, OverflowError) as caught:
        problem = caught
    raise LabError(
        f"--address must be that of a Ray cluster that can be reached, got {address}: {problem}; check {check}, "
        "or drop --address to use this machine alone."
    )


def _room(there: dict[str, float], workers: int | None, gpus_per_worker: float, address: str | None) -> int:
    """Return how many workers to start.

    Raises:
        LabError: there is no room for so many.
    """
    place = f"the cluster at {address}" if address else "this machine"
    cores, gpus = there.get("CPU", 0), there.get("GPU", 0)
    most = int(cores)
    if gpus_per_worker:
        # Several share one GPU, or one has several; a share is never of two.
        each = gpus / gpus_per_worker if gpus_per_worker > 1 else gpus * int(1 / gpus_per_worker + 1e-9)
        if each < (workers or 1):
            raise LabError(
                f"workers must have room on the GPUs there are, got {workers or 1} with {gpus_per_worker:g} GPU "
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
