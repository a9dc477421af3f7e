"""CPU speed targets: the bounds that a run of the benchmark is compared with at its end."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from benchmarks.speed.cpu.markdown import table
from benchmarks.speed.cpu.results import Results, Row, milliseconds, ratio

MAIN = ("32x96x55x55", "32x192x56x56")
BETAS = (0.75, 0.6)
SMALLEST = "8x32x16x16"
FRESH, IN_PLACE, THERE = "localnorm", "localnorm in place", "localnorm NumPy, out="
OURS_JAX, BACKWARD_THERE = "localnorm JAX", "localnorm kernel, backward"
JAX = "JAX, the formula with slices"
EAGER, COMPILED, TENSORFLOW = "torch eager", "torch.compile", "TensorFlow"


@dataclass(frozen=True)
class Tensors:
    """Results of one shape and beta, float32, on all threads."""

    results: Results
    shape: str
    beta: float

    def one(self, part: str, implementation: str, **more: object) -> Row | None:
        """Return one record of a comparison, by default channels first, window 5, forward pass."""
        usual = {"measure": "forward", "layout": "NCHW", "dtype": "float32", "size": 5}
        comparison = f"{self.shape}, beta {self.beta}"
        beta = {} if implementation in ("copy", "relu") else {"beta": self.beta}
        return self.results.one(
            part=part, comparison=comparison, implementation=implementation, **{**usual, **beta, **more}
        )

    def faster(self, prefix: str, ours: str = FRESH, part: str = "forward", **more: object) -> float | None:
        """Return how many times as fast localnorm is as the fastest implementation with this name or prefix."""
        names = {
            r["implementation"] for r in self.results.all(part=part) if r["implementation"].startswith(prefix)
        }
        our_row = self.one(part, ours, **more)
        return _least(ratio(self.one(part, name, **more), our_row) for name in names)

    def slower(self, part: str, than: dict[str, Any], **more: object) -> float | None:
        """Return the time of localnorm's fresh output in one case divided by that in another."""
        return ratio(self.one(part, FRESH, **more), self.one(part, FRESH, **than))

    def copies(self, implementation: str) -> float | None:
        """Return the time of a forward pass in copies."""
        return _copies(self.one("forward", implementation))


@dataclass(frozen=True)
class Target:
    """One row: a measurement and its bound.

    Attributes:
        name: of the row.
        bound: the number to reach; one for each of `BETAS` if they differ.
        measured: the number, None if it was not measured.
        at_least: whether the bound is a minimum; else it is a maximum.
    """

    name: str
    bound: float | tuple[float, float]
    measured: Callable[[Tensors], float | None]
    at_least: bool = False

    def met(self, number: float, beta: float) -> bool:
        """Whether a number satisfies the bound for a beta."""
        bound = self.bound[BETAS.index(beta)] if isinstance(self.bound, tuple) else self.bound
        return number >= bound if self.at_least else number <= bound

    def row(self, columns: Iterable[Tensors]) -> list[str]:
        """Return the cells: name, target, one number per column, and whether all satisfy the bound."""
        tensors = list(columns)
        numbers = [(self.measured(each), each.beta) for each in tensors]
        known = [(number, beta) for number, beta in numbers if number is not None]
        verdict = "met" if all(self.met(*each) for each in known) else "missed"
        bounds = self.bound if isinstance(self.bound, tuple) else (self.bound,)
        return [
            self.name,
            f"at {'least' if self.at_least else 'most'} {' / '.join(f'{bound:g}' for bound in bounds)}",
            *("" if n is None else f"{n:.2f}" if self.met(n, beta) else f"**{n:.2f}**" for n, beta in numbers),
            verdict if len(known) == len(numbers) else "not measured",
        ]


def _least(numbers: Iterable[float | None]) -> float | None:
    return min((number for number in numbers if number is not None), default=None)


def _most(numbers: Iterable[float | None]) -> float | None:
    return max((number for number in numbers if number is not None), default=None)


_BACK: dict[str, Any] = {"measure": "forward and backward"}
_LAST: dict[str, Any] = {"layout": "NHWC"}

TARGETS = (
    Target("forward into existing memory (NumPy), copies", (1.5, 2.0), lambda t: t.copies(THERE)),
    Target(
        "backward for x into existing memory, copies",
        (3.0, 3.5),
        lambda t: _copies(t.one("backward", BACKWARD_THERE, measure="backward")),
    ),
    Target("forward in place (torch), copies", (1.5, 2.0), lambda t: t.copies(IN_PLACE)),
    Target(
        "forward, fresh output / torch.relu",
        0.9,
        lambda t: ratio(t.one("forward", FRESH), t.one("forward", "relu")),
    ),
    Target("forward, times as fast as torch eager", 16, lambda t: t.faster(EAGER), at_least=True),
    Target("as the fastest torch.compile", 3, lambda t: t.faster(COMPILED), at_least=True),
    Target("as OpenVINO, both into existing memory", 2.5, lambda t: t.faster("OpenVINO", THERE), at_least=True),
    Target(
        "as onnxruntime, both into existing memory", 25, lambda t: t.faster("onnxruntime", THERE), at_least=True
    ),
    Target("as TensorFlow, channels last", 4, lambda t: t.faster(TENSORFLOW, **_LAST), at_least=True),
    Target(
        "forward and backward, times as fast as torch eager",
        15,
        lambda t: t.faster(EAGER, part="backward", **_BACK),
        at_least=True,
    ),
    Target(
        "as the fastest torch.compile", 5, lambda t: t.faster(COMPILED, part="backward", **_BACK), at_least=True
    ),
    Target("JAX, forward, times as fast as slices", 3, lambda t: t.faster(JAX, OURS_JAX), at_least=True),
    Target(
        "JAX, forward and backward",
        3,
        lambda t: t.faster(JAX, OURS_JAX, part="backward", **_BACK),
        at_least=True,
    ),
    Target(
        "slower layout / faster layout",
        1.2,
        lambda t: _most((t.slower("forward", {}, **_LAST), t.slower("forward", _LAST))),
    ),
    Target("window 65 / window 5", 1.3, lambda t: t.slower("windows", {}, size=65)),
    Target("bfloat16 / float32", 0.65, lambda t: t.slower("dtypes", {}, dtype="bfloat16")),
    Target("float16 / float32", 0.65, lambda t: t.slower("dtypes", {}, dtype="float16")),
)


def _copies(record: Row | None) -> float | None:
    return None if record is None else float(record["copies"])


def _small(t: Tensors) -> float | None:
    return Tensors(t.results, SMALLEST, BETAS[0]).faster(EAGER)


def _call(measure: str) -> Callable[[Tensors], float | None]:
    def share(t: Tensors) -> float | None:
        ours, eager = (t.results.one(part="call", measure=measure, implementation=name) for name in (FRESH, EAGER))
        return ratio(ours, eager)

    return share


def _first(t: Tensors) -> float | None:
    taken = milliseconds(t.results.one(part="start", implementation=FRESH))
    return taken and 1e-3 * taken


def _kept(t: Tensors) -> float | None:
    record = t.results.one(part="memory", implementation=FRESH)
    return None if record is None else float(record["inputs"])


def _share(measure: str, norm: str) -> Callable[[Tensors], float | None]:
    def share(t: Tensors) -> float | None:
        without, with_norm = (
            t.results.one(measure=measure, implementation=name) for name in ("without LRN", norm)
        )
        return ratio(without, with_norm)

    return share


def _chain(t: Tensors) -> float | None:
    together, *alone = (
        t.results.one(measure="chain", implementation=name)
        for name in ("chain", "first convolution", "LRN", "second convolution")
    )
    shares = [ratio(record, together) for record in alone]
    known = [share for share in shares if share is not None]
    return 1 / sum(known) if len(known) == len(shares) else None


NETWORKS = ("AlexNet, inference", "AlexNet, training", "GoogLeNet, inference", "GoogLeNet, training")

ONCE = (
    Target(f"{SMALLEST}, times as fast as torch eager", 3, _small, at_least=True),
    Target("a call on 4 numbers / torch eager", 0.2, _call("forward")),
    Target("a call on 4 numbers, forward and backward / torch eager", 0.5, _call("forward and backward")),
    Target("first forward and backward in a new process, seconds beyond importing torch", 0.15, _first),
    Target("kept for the backward pass, in multiples of the input", 1, _kept),
    *(
        Target(f"{measure}: speed / speed without LRN", 0.97, _share(measure, FRESH), at_least=True)
        for measure in NETWORKS
    ),
    Target("chain of convolution, LRN, convolution / sum of their times", 1.1, _chain),
)


def target_tables(results: Results) -> str:
    """Return both tables."""
    columns = [Tensors(results, shape, beta) for shape in MAIN for beta in BETAS]
    names = [f"{column.shape}, beta {column.beta}" for column in columns]
    head = ["", "target", *names, ""]
    rows = [target.row(columns[:1]) for target in ONCE]
    for measure in NETWORKS:
        share = _share(measure, EAGER)(columns[0])
        if share is not None:
            rows.append([f"({measure}, with torch's LRN)", "", f"{share:.2f}", ""])
    return "\n\n".join(
        (
            table(head, [target.row(columns) for target in TARGETS]),
            table(["", "target", "measured", ""], rows),
        )
    )
