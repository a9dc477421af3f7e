"""LRN and GDN as patterns of elementary operations in a graph, as exporters write them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from localnorm.conversion import mean_to_sum
from localnorm.inspection.gdn import FORMULAS, gdn_reading
from localnorm.inspection.layer import NormLayer, as_typed
from localnorm.legacy.readings import Array, reading
from localnorm.spec import LRNSpec

_SHAPES = {"reshape", "squeeze", "unsqueeze", "cast", "identity", "if", "transpose"}
"""Operations that keep the numbers; an If of torch's exporter decides whether to squeeze."""


@dataclass(frozen=True)
class Node:
    """An operation.

    Attributes:
        operation: its name, one of those that patterns are made of, or another.
        inputs: names of tensors, or numbers.
        name: what to show.
        values: `kernel` of a pooling or convolution, `pads` (lo, hi) along the channels of a padding.
    """

    operation: str
    inputs: tuple[str | float, ...]
    name: str
    values: Mapping[str, Any] = field(default_factory=dict)


class Match(NamedTuple):
    """A normalization in a graph: of an LRN its spec, of a GDN its formula, and parameters if they are known."""

    node: Node
    spec: LRNSpec | None = None
    formula: str = ""
    beta: Array | None = None
    gamma: Array | None = None


class Graph:
    """A graph of operations.

    Args:
        nodes: the operation behind each tensor.
        constant: returns the values of a tensor, None if the file doesn't hold them.
    """

    def __init__(self, nodes: Mapping[str, Node], constant: Callable[[str], Array | None]) -> None:
        self.nodes, self.constant = nodes, constant

    def matches(self) -> list[Match]:
        """Return all LRN and GDN in the graph, in its order."""
        ends = [node for node in self.nodes.values() if node.operation in ("div", "mul") and len(node.inputs) == 2]
        matched = (self._lrn(node) or self._gdn(node) for node in ends)
        return [match for match in matched if match]

    def _behind(self, tensor: str | float) -> Node | None:
        """Return the operation that computes a tensor, past those that keep the numbers."""
        for _ in range(16):
            node = self.nodes.get(tensor) if isinstance(tensor, str) else None
            if node is None or node.operation not in _SHAPES or not node.inputs:
                return node
            tensor = node.inputs[0]
        return None

    def _number(self, value: str | float) -> float | None:
        """Return a constant of one element."""
        if not isinstance(value, str):
            return float(value)
        array = self.constant(value)
        return float(array.reshape(-1)[0]) if array is not None and array.size == 1 else None

    def _split(self, node: Node | None, operation: str) -> tuple[float, str | float] | None:
        """Return the constant and the other operand of an operation of that name."""
        if node is None or node.operation != operation or len(node.inputs) != 2:
            return None
        first, second = node.inputs
        for constant, other in ((second, first), (first, second)):
            number = self._number(constant)
            if number is not None:
                return number, other
        return None

    def _lrn(self, node: Node) -> Match | None:
        """Match ``x / (k + alpha * average_pool(x^2))^beta``."""
        power = self._split(self._behind(node.inputs[1]), "pow") if node.operation == "div" else None
        total = self._split(self._behind(power[1]), "add") if power else None
        scaled = self._split(self._behind(total[1]), "mul") if total else None
        if power is None or total is None or scaled is None:
            return None
        pool = self._behind(scaled[1])
        kernel = pool.values.get("kernel", ()) if pool and pool.operation == "averagepool" else ()
        if pool is None or not kernel or any(extent != 1 for extent in kernel[1:]):
            return None
        size = kernel[0]
        pad = self._behind(pool.inputs[0])
        # Where the padding is computed when the model runs, it is torch's: its exporters write this pattern.
        lo, hi = (pad.values.get("pads") if pad else None) or (size // 2, (size - 1) // 2)
        if lo + hi + 1 != size:
            return None
        alpha, k, beta = (as_typed(value) for value in (scaled[0], total[0], power[0]))
        return Match(node, LRNSpec(lo, hi, mean_to_sum(alpha, size), beta, k))

    def _gdn(self, node: Node) -> Match | None:
        """Match x times or divided by the root of, or by itself, a 1x1 convolution of x^2 or |x|."""
        if self._number(node.inputs[0]) is not None:
            return None  # the factor itself
        for operand in reversed(node.inputs if node.operation == "mul" else node.inputs[1:]):
            factor, inverse = self._behind(operand), node.operation == "mul"
            one_over = self._split(factor, "div")
            if factor and one_over and one_over[0] == 1 and factor.inputs[0] != one_over[1]:
                factor, inverse = self._behind(one_over[1]), not inverse
            elif factor and factor.operation == "reciprocal":
                factor, inverse = self._behind(factor.inputs[0]), not inverse
            root = factor is not None and factor.operation in ("sqrt", "rsqrt")
            if factor and root:
                inverse ^= factor.operation == "rsqrt"
                factor = self._behind(factor.inputs[0])
            match = self._pool(node, factor, root, inverse)
            if match:
                return match
        return None

    def _pool(self, node: Node, pool: Node | None, root: bool, inverse: bool) -> Match | None:
        if pool is None or pool.operation != "conv" or len(pool.inputs) != 3:
            return None
        squares = self._behind(pool.inputs[0])
        if squares is None or not (self._is_square(squares) if root else squares.operation == "abs"):
            return None
        formula = ("i" if inverse else "") + ("gdn" if root else "gdn1")
        gamma, beta = (self.constant(str(value)) for value in pool.inputs[1:])
        if gamma is not None and gamma.ndim >= 2 and gamma.size == gamma.shape[0] ** 2:
            gamma = gamma.reshape(gamma.shape[:2])
        return Match(node, None, formula, beta, gamma)

    def _is_square(self, node: Node) -> bool:
        same = node.operation == "mul" and len(set(node.inputs)) == 1
        power = self._split(node, "pow")
        return same or node.operation == "square" or (power is not None and power[0] == 2)


def layer_of(match: Match, name: str = "") -> NormLayer:
    """Return a match as a layer."""
    name = name or match.node.name
    if match.spec:
        return NormLayer(name, "LRN in elementary operations", (reading("operations", match.spec, 1),))
    head = f"{match.formula.upper()} in elementary operations"
    beta, gamma = match.beta, match.gamma
    if beta is None or gamma is None or gamma.shape != (beta.size, beta.size):
        return NormLayer(name, head, (), (f"{FORMULAS[match.formula]}; the file computes or hides its values",))
    one = gdn_reading(match.formula, beta.astype(float).reshape(-1), gamma.astype(float))
    return NormLayer(name, head, (one,), channels=beta.size)
