"""Choose and start the engine of a run: the local process pool, or Ray."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, get_args

from localnorm.errors import LabError
from localnorm.lab.engines.base import EngineFactory
from localnorm.lab.engines.pool import Pool
from localnorm.spelling import nearest

EngineName = Literal["pool", "ray"]
ENGINES: tuple[EngineName, ...] = get_args(EngineName)


def cores() -> int:
    """Return the number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class EngineOptions:
    """The engine that the user asks for.

    Attributes:
        engine: ``pool``, processes of this machine, or ``ray``.
        workers: number of worker processes; by default one per core, on a cluster as many as fit.
        address: ``host:port`` of the Ray cluster to join; by default Ray is started on this machine.
        gpus_per_worker: GPUs that Ray reserves for each worker; a fraction shares one, 0 for none.
        trial_seconds: time limit of a trial; None for no limit.
        loaders: processes of each worker that decode images beyond memory.

    Raises:
        LabError: an engine that does not exist, or options of another engine.
    """

    engine: str = "pool"
    workers: int | None = None
    address: str | None = None
    gpus_per_worker: float = 0
    trial_seconds: float | None = None
    loaders: int = 0

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            raise LabError(
                f"an engine must be one of {', '.join(ENGINES)}, got {self.engine!r}; "
                f"{nearest(self.engine, ENGINES)} Leave it out for the pool."
            )
        for option, value in {"--address": self.address, "--gpus-per-worker": self.gpus_per_worker}.items():
            if value and self.engine != "ray":
                raise LabError(
                    f"{option} must be given to the engine ray, got {value} for {self.engine}; add --engine ray."
                )


@dataclass(frozen=True)
class EngineSetup:
    """An engine that is ready to be made.

    Attributes:
        make: makes the engine.
        workers: number of worker processes.
        trial_seconds: time limit of a trial; None for no limit. Probes have none.
        loaders: processes of each worker that decode images beyond memory.
    """

    make: EngineFactory[Any] = Pool
    workers: int = field(default_factory=cores)
    trial_seconds: float | None = None
    loaders: int = 0


def check_cluster(options: EngineOptions) -> None:
    """Check within seconds that the cluster to join can be reached.

    Raises:
        MissingExtraError: Ray is not installed.
        LabError: no cluster answers at the address.

    Example:
        >>> check_cluster(EngineOptions("pool"))
    """
    if options.address:
        # Imported here: most studies do not use it.
        from localnorm.lab.engines.ray_cluster import check_address

        check_address(options.address)


@contextmanager
def started(options: EngineOptions) -> Iterator[EngineSetup]:
    """Start what the engine needs (Ray), and stop it at the end.

    Raises:
        MissingExtraError: Ray is not installed.
        LabError: the cluster can't be reached or has no room for the workers.

    Example:
        >>> with started(EngineOptions(workers=2)) as setup:
        ...     setup.workers
        2
    """
    if options.engine == "pool":
        yield EngineSetup(Pool, options.workers or cores(), options.trial_seconds, options.loaders)
        return
    # Imported here: most studies do not use it.
    from localnorm.lab.engines.ray import RayEngine
    from localnorm.lab.engines.ray_cluster import cluster

    with cluster(options.address, options.workers, cores(), options.gpus_per_worker) as workers:
        engine = partial(RayEngine, gpus=options.gpus_per_worker)
        yield EngineSetup(engine, workers, options.trial_seconds, options.loaders)
