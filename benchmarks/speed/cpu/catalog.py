"""List the comparisons of each part of the CPU benchmark; each part can be run alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from benchmarks.speed.cpu.baselines import (
    COMPILED,
    COMPILED_EAGER,
    COMPILED_NO_POW,
    EAGER,
    OUR_APIS,
    OURS_BACKWARD,
    OURS_FRESH,
    PLAIN,
    Implementation,
)
from benchmarks.speed.cpu.case import BACKWARD, BOTH, FORWARD, Case, Shape
from benchmarks.speed.cpu.comparison import Comparison
from benchmarks.speed.cpu.networks import SIDES, time_chain, time_network
from benchmarks.speed.cpu.once import first_results, kept_bytes
from benchmarks.speed.cpu.results import Row

BETAS = (0.75, 0.6)
LAYOUTS = ("NCHW", "NHWC")
ONE_THREAD = "one-thread"
DTYPES = ("float32", "bfloat16", "float16")


@dataclass(frozen=True)
class CpuExtent:
    """How much is measured.

    Attributes:
        threads: of every implementation.
        rounds: of every comparison.
        main: the shapes that the targets are about.
        others: more shapes; the last one is the smallest.
        sizes: of the window.
        plain: baselines that need no compilation.
        compiled: baselines under torch.compile.
        batch: of the networks.
        divided_by: divisor of the networks' channels.
        tries: number of new processes.
    """

    threads: int
    rounds: int
    main: tuple[Shape, ...] = ((32, 96, 55, 55), (32, 192, 56, 56))
    others: tuple[Shape, ...] = ((32, 256, 27, 27), (16, 64, 56, 56), (1, 96, 55, 55), (8, 32, 16, 16))
    sizes: tuple[int, ...] = (3, 5, 9, 17, 65)
    plain: tuple[Implementation, ...] = PLAIN
    compiled: tuple[Implementation, ...] = COMPILED
    batch: int = 16
    divided_by: int = 1
    tries: int = 5

    def case(self, shape: Shape, **more: object) -> Case:
        """Return a case with these threads."""
        return replace(Case(shape, threads=self.threads), **more)  # type: ignore[arg-type]

    def only(self, *baselines: Implementation) -> tuple[Implementation, ...]:
        """Return those of the baselines that are measured."""
        return tuple(baseline for baseline in baselines if baseline in (*self.plain, *self.compiled))


def smoke(threads: int) -> CpuExtent:
    """Return the smallest extent that runs everything: tiny tensors, and torch eager as the only baseline."""
    tiny = {"main": ((2, 8, 6, 5),), "others": ((1, 4, 3, 2),), "sizes": (3, 5, 65)}
    return CpuExtent(threads, rounds=2, **tiny, plain=(EAGER,), compiled=(), batch=1, divided_by=16, tries=1)  # type: ignore[arg-type]


def _name(shape: Shape, *more: object) -> str:
    return ", ".join(("x".join(map(str, shape)), *map(str, more)))


def _passes(part: str, extent: CpuExtent, measure: str) -> Iterator[Comparison]:
    """Yield both layouts in one comparison for each shape and beta; what is compiled in one of them.

    Of the other shapes torch.compile gets those of the forward pass alone, with what is fastest with this beta.
    """
    for shape in (*extent.main, *extent.others):
        for beta in BETAS:
            cases = [extent.case(shape, measure=measure, layout=layout, beta=beta) for layout in LAYOUTS]
            comparison = Comparison(part, _name(shape, f"beta {beta}")).with_entries(
                cases, (*OUR_APIS, *extent.plain)
            )
            if measure == BOTH:
                alone = [replace(case, measure=BACKWARD) for case in cases]
                comparison = comparison.with_entries(alone, (OURS_BACKWARD,))
            if shape in extent.main:
                comparison = comparison.with_entries(cases[:1], extent.compiled)
            elif beta == BETAS[0]:
                comparison = comparison.with_entries(cases[:1], extent.only(COMPILED_EAGER, COMPILED_NO_POW))
            if shape == extent.main[0] and beta == BETAS[0]:
                comparison = comparison.with_entries(cases[1:], extent.only(COMPILED_EAGER, COMPILED_NO_POW))
            yield comparison


def _forward(extent: CpuExtent) -> Iterator[Comparison]:
    return _passes("forward", extent, FORWARD)


def _backward(extent: CpuExtent) -> Iterator[Comparison]:
    few = replace(extent, others=extent.others[-1:])
    return _passes("backward", few, BOTH)


def _windows(extent: CpuExtent) -> Iterator[Comparison]:
    for shape in extent.main:
        for beta in BETAS:
            comparison = Comparison("windows", _name(shape, f"beta {beta}"))
            first = shape == extent.main[0] and beta == BETAS[0]
            sizes = extent.sizes if first else (5, extent.sizes[-1])
            cases = [extent.case(shape, size=size, beta=beta) for size in sizes]
            comparison = comparison.with_entries(cases, (OURS_FRESH,))
            if first:
                baselines = (*extent.plain, *extent.only(COMPILED_EAGER, COMPILED_NO_POW))
                last = [replace(case, layout="NHWC") for case in cases]
                comparison = comparison.with_entries(cases, baselines).with_entries(
                    last,
                    (
                        OURS_FRESH,
                        *(
                            implementation
                            for implementation in extent.plain
                            if "NCHW" not in implementation.layouts
                        ),
                    ),
                )
            yield comparison


def _dtypes(extent: CpuExtent) -> Iterator[Comparison]:
    for shape in extent.main:
        for beta in BETAS:
            cases = [extent.case(shape, dtype=dtype, beta=beta) for dtype in DTYPES]
            comparison = Comparison("dtypes", _name(shape, f"beta {beta}")).with_entries(cases, OUR_APIS)
            if shape == extent.main[0] and beta == BETAS[0]:
                baselines = (*extent.plain, *extent.only(COMPILED_NO_POW))
                comparison = comparison.with_entries(
                    cases, (r for r in baselines if set(r.dtypes) & set(DTYPES[1:]))
                )
            yield comparison


def _one_thread(extent: CpuExtent) -> Iterator[Comparison]:
    for shape in (extent.main[0], extent.others[-1]):
        for measure in (FORWARD, BOTH):
            cases = [extent.case(shape, measure=measure, layout=layout) for layout in LAYOUTS]
            comparison = Comparison("one-thread", _name(shape, measure)).with_entries(
                cases, (*OUR_APIS, *extent.plain)
            )
            yield comparison.with_entries(cases[:1], extent.only(COMPILED_EAGER, COMPILED_NO_POW))


def _call(extent: CpuExtent) -> Iterator[Comparison]:
    """Yield the smallest tensors, for which a call costs more than the work."""
    baselines = (*OUR_APIS, *extent.only(EAGER))
    cases = [extent.case((1, 4, 1, 1), measure=measure) for measure in (FORWARD, BOTH)]
    yield Comparison("call", "1x4x1x1").with_entries(cases, baselines)


def _networks(extent: CpuExtent) -> Iterator[Row]:
    for name in SIDES:
        yield from time_network(name, extent.batch, extent.divided_by, extent.rounds)
    yield from time_chain((extent.batch, *extent.main[0][1:]), extent.rounds)


def _memory(extent: CpuExtent) -> Iterator[Row]:
    return kept_bytes(extent.case(extent.main[0]))


def _start(extent: CpuExtent) -> Iterator[Row]:
    return first_results(extent.tries)


def _run(comparisons: Callable[[CpuExtent], Iterator[Comparison]]) -> Callable[[CpuExtent], Iterator[Row]]:
    def records(extent: CpuExtent) -> Iterator[Row]:
        for comparison in comparisons(extent):
            yield from comparison.run(extent.rounds)

    return records


PARTS: dict[str, Callable[[CpuExtent], Iterator[Row]]] = {
    "forward": _run(_forward),
    "backward": _run(_backward),
    "windows": _run(_windows),
    "dtypes": _run(_dtypes),
    "call": _run(_call),
    "memory": _memory,
    "start": _start,
    "networks": _networks,
    ONE_THREAD: _run(_one_thread),
}
"""In the order in which they run; the last one runs in a separate process."""
