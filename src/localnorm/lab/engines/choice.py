"""Which engine runs a study, as a person asks for it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, get_args

from localnorm.errors import LabError
from localnorm.lab.engines.interface import OpenEngine
from localnorm.lab.engines.pool import Pool

EngineName = Literal["pool", "ray"]
ENGINES: tuple[EngineName, ...] = get_args(EngineName)


@dataclass(frozen=True)
class EngineChoice:
    """Where trials run.

    Attributes:
        engine: ``pool``, processes of this machine, or ``ray``.
        workers: how many at once; by default one a core, or of a cluster as many as there is room for.
        address: of the cluster that Ray joins; by default Ray is started on this machine.
        gpus_per_worker: part of a GPU that Ray keeps for each worker, 0 for none.
        trial_seconds: the longest that a trial may take; by default as long as it likes.

    Raises:
        LabError: no such engine, or options that it does not have.
    """

    engine: str = "pool"
    workers: int | None = None
    address: str | None = None
    gpus_per_worker: float = 0
    trial_seconds: float | None = None

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            raise LabError(
                f"an engine must be one of {', '.join(ENGINES)}, got {self.engine!r}; leave it out for the pool."
            )
        given = {"--address": self.address, "--gpus-per-worker": self.gpus_per_worker}
        for option, value in given.items():
            if value and self.engine != "ray":
                raise LabError(
                    f"{option} must be given to the engine ray, got {value} for {self.engine}; add --engine ray."
                )


@dataclass(frozen=True)
class OpenedEngine:
    """What `localnorm.lab.run.runner.run` needs: how to open engines, and how many workers to ask for."""

    open_engine: OpenEngine[Any]
    workers: int
    trial_seconds: float | None = None


def check(choice: EngineChoice) -> None:
    """Find out in seconds, before anything that takes longer, whether a cluster is there that is to be joined.

    Raises:
        MissingExtraError: Ray is not installed.
        LabError: no cluster can be reached there.

    Example:
        >>> check(EngineChoice("pool"))
    """
    if choice.address:
        # Imported here: most studies need none of it.
        from localnorm.lab.engines.ray_cluster import check_address

        check_address(choice.address)


@contextmanager
def opened(choice: EngineChoice) -> Iterator[OpenedEngine]:
    """Start what an engine needs, and end it.

    Raises:
        MissingExtraError: Ray is asked for and not installed.
        LabError: a cluster that can't be reached, or has no room for what is asked for.

    Example:
        >>> with opened(EngineChoice(workers=2)) as engine:
        ...     engine.workers, engine.open_engine.__name__
        (2, 'Pool')
    """
    if choice.engine == "pool":
        yield OpenedEngine(Pool, choice.workers or cores(), choice.trial_seconds)
        return
    # Imported here: most studies need none of it.
    from localnorm.lab.engines.ray import RayEngine
    from localnorm.lab.engines.ray_cluster import cluster

    with cluster(choice.address, choice.workers, cores(), choice.gpus_per_worker) as workers:
        yield OpenedEngine(partial(RayEngine, gpus=choice.gpus_per_worker), workers, choice.trial_seconds)


def cores() -> int:
    """Return the processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
