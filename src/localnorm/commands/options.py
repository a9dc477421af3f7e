"""The options that several commands have, each written once."""

from __future__ import annotations

from typing import Annotated

import typer

Side = Annotated[
    int | None, typer.Option("--side", help="Resize the images of --data to so many pixels, height and width.")
]
Examples = Annotated[
    int | None, typer.Option("--examples", help="Take at most so many images of each part of --data.")
]
Workers = Annotated[int | None, typer.Option("--workers", help="Worker processes. Default: one a core.")]
Engine = Annotated[
    str | None, typer.Option("--engine", help="What the workers are in: pool, processes of this machine, or ray.")
]
Address = Annotated[
    str | None,
    typer.Option("--address", help="The Ray cluster to join, host:port. Default: Ray is started here."),
]
GpusPerWorker = Annotated[
    float | None,
    typer.Option("--gpus-per-worker", help="Part of a GPU that Ray keeps for each worker. Default: none."),
]
TrialSeconds = Annotated[
    float | None,
    typer.Option("--trial-seconds", help="End a trial that takes longer; its record says so. Default: no limit."),
]
