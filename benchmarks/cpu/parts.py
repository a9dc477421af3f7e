"""The parts of the program, each of which can be run alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from benchmarks.cpu.case import BOTH, FORWARD, Case, Shape
from benchmarks.cpu.contest import Contest
from benchmarks.cpu.networks import SIDES, time_chain, time_network
from benchmarks.cpu.once import first_results, kept_bytes
from benchmarks.cpu.results import Record
from benchmarks.cpu.rivals import (
    COMPILED,
    COMPILED_NO_POW,
    COMPILED_OWN,
    EAGER,
    OUR_DOORS,
    OURS_FRESH,
    PLAIN,
    Rival,
)

BETAS = (0.75, 0.6)
LAYOUTS = ("NCHW", "NHWC")
ONE_THREAD = "one-thread"
DTYPES = ("float32", "bfloat16", "float16")


@dataclass(frozen=True)
class Setting:
    """How much is measured.

    Attributes:
        threads: of every rival.
        rounds: of every contest.
        main: the shapes that the targets are about.
        others: more shapes; the last one is the smallest.
        sizes: of the window.
        plain: rivals that are ready at once.
        compiled: rivals that torch.compile makes.
        batch: of the networks.
        divided_by: the networks' channels.
        tries: fresh processes.
    """

    threads: int
    rounds: int
    main: tuple[Shape, ...] = ((32, 96, 55, 55), (32, 192, 56, 56))
    others: tuple[Shape, ...] = ((32, 256, 27, 27), (16, 64, 56, 56), (1, 96, 55, 55), (8, 32, 16, 16))
    sizes: tuple[int, ...] = (3, 5, 9, 17, 65)
    plain: tuple[Rival, ...] = PLAIN
    compiled: tuple[Rival, ...] = COMPILED
    batch: int = 16
    divided_by: int = 1
    tries: int = 5

    def case(self, shape: Shape, **more: object) -> Case:
        """Return a case with these threads."""
        return replace(Case(shape, threads=self.threads), **more)  # type: ignore[arg-type]

    def only(self, *rivals: Rival) -> tuple[Rival, ...]:
        """Return those of the rivals that take part."""
        return tuple(rival for rival in rivals if rival in (*self.plain, *self.compiled))


def smoke(threads: int) -> Setting:
    """Return the least that runs everything: tiny, and torch's own the only rival."""
    tiny = {"main": ((2, 8, 6, 5),), "others": ((1, 4, 3, 2),), "sizes": (3, 5, 65)}
    return Setting(threads, rounds=2, **tiny, plain=(EAGER,), compiled=(), batch=1, divided_by=16, tries=1)  # type: ignore[arg-type]


def _name(shape: Shape, *more: object) -> str:
    return ", ".join(("x".join(map(str, shape)), *map(str, more)))


def _passes(part: str, setting: Setting, measure: str) -> Iterator[Contest]:
    """Yield both layouts in one contest for each shape and beta; what is compiled in one of them.

    Of the other shapes torch.compile gets those of the forward pass alone, with what is fastest with this beta.
    """
    for shape in (*setting.main, *setting.others):
        for beta in BETAS:
            cases = [setting.case(shape, measure=measure, layout=layout, beta=beta) for layout in LAYOUTS]
            contest = Contest(part, _name(shape, f"beta {beta}")).with_entries(cases, (*OUR_DOORS, *setting.plain))
            if shape in setting.main:
                contest = contest.with_entries(cases[:1], setting.compiled)
            elif beta == BETAS[0]:
                contest = contest.with_entries(cases[:1], setting.only(COMPILED_OWN, COMPILED_NO_POW))
            if shape == setting.main[0] and beta == BETAS[0]:
                contest = contest.with_entries(cases[1:], setting.only(COMPILED_OWN, COMPILED_NO_POW))
            yield contest


def _forward(setting: Setting) -> Iterator[Contest]:
    return _passes("forward", setting, FORWARD)


def _backward(setting: Setting) -> Iterator[Contest]:
    few = replace(setting, others=setting.others[-1:])
    return _passes("backward", few, BOTH)


def _windows(setting: Setting) -> Iterator[Contest]:
    for shape in setting.main:
        for beta in BETAS:
            contest = Contest("windows", _name(shape, f"beta {beta}"))
            first = shape == setting.main[0] and beta == BETAS[0]
            sizes = setting.sizes if first else (5, setting.sizes[-1])
            cases = [setting.case(shape, size=size, beta=beta) for size in sizes]
            contest = contest.with_entries(cases, (OURS_FRESH,))
            if first:
                rivals = (*setting.plain, *setting.only(COMPILED_OWN, COMPILED_NO_POW))
                last = [replace(case, layout="NHWC") for case in cases]
                contest = contest.with_entries(cases, rivals).with_entries(
                    last, (OURS_FRESH, *(rival for rival in setting.plain if "NCHW" not in rival.layouts))
                )
            yield contest


def _dtypes(setting: Setting) -> Iterator[Contest]:
    for shape in setting.main:
        for beta in BETAS:
            cases = [setting.case(shape, dtype=dtype, beta=beta) for dtype in DTYPES]
            contest = Contest("dtypes", _name(shape, f"beta {beta}")).with_entries(cases, OUR_DOORS)
            if shape == setting.main[0] and beta == BETAS[0]:
                rivals = (*setting.plain, *setting.only(COMPILED_NO_POW))
                contest = contest.with_entries(cases, (r for r in rivals if set(r.dtypes) & set(DTYPES[1:])))
            yield contest


def _one_thread(setting: Setting) -> Iterator[Contest]:
    for shape in (setting.main[0], setting.others[-1]):
        for measure in (FORWARD, BOTH):
            cases = [setting.case(shape, measure=measure, layout=layout) for layout in LAYOUTS]
            contest = Contest("one-thread", _name(shape, measure)).with_entries(
                cases, (*OUR_DOORS, *setting.plain)
            )
            yield contest.with_entries(cases[:1], setting.only(COMPILED_OWN, COMPILED_NO_POW))


def _call(setting: Setting) -> Iterator[Contest]:
    """Yield the smallest tensors, where a call costs more than the work."""
    rivals = (*OUR_DOORS, *setting.only(EAGER))
    yield Contest("call", "1x4x1x1").with_entries([setting.case((1, 4, 1, 1))], rivals)


def _networks(setting: Setting) -> Iterator[Record]:
    for name in SIDES:
        yield from time_network(name, setting.batch, setting.divided_by, setting.rounds)
    yield from time_chain((setting.batch, *setting.main[0][1:]), setting.rounds)


def _memory(setting: Setting) -> Iterator[Record]:
    return kept_bytes(setting.case(setting.main[0]))


def _start(setting: Setting) -> Iterator[Record]:
    return first_results(setting.tries)


def _run(contests: Callable[[Setting], Iterator[Contest]]) -> Callable[[Setting], Iterator[Record]]:
    def records(setting: Setting) -> Iterator[Record]:
        for contest in contests(setting):
            yield from contest.run(setting.rounds)

    return records


PARTS: dict[str, Callable[[Setting], Iterator[Record]]] = {
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
"""In this order; for the last one the program starts a process of its own."""
