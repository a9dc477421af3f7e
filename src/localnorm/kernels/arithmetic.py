"""LRN in operations that every array library has, right also where squares overflow or vanish.

Squares leave the range of a float long before their inputs do. So sums are taken up to three times: of the squares
as they are, and where that can be needed, of the squares of ``x * 2^-shift`` and of ``x * 2^shift``. Each position
takes the sum that is in range, ``s = 4^e * t`` with t in range and e from {0, shift, -shift} (the idea of Blue's
norm, ACM TOMS 4, 1978). No value is looked at to decide what to do next, so this can be traced, batched and fused,
and a NaN or an infinity touches the windows that hold it and no others.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from localnorm.spec import LRNSpec

Array = Any
Values = Mapping[str, Any]
"""Learned values by name, k, alpha or beta, as arrays that broadcast against the input."""

Shifts = tuple[int, ...] | None
"""The powers of two to divide x by where that is needed; None where it is known that s is in range everywhere."""


@dataclass(frozen=True)
class Operations:
    """What is asked of an array library beside ``+ - * / <``.

    Attributes:
        where: ``where(condition, a, b)``.
        total: the sum of all elements.
        either: ``either(condition, then, otherwise)``: what one of two functions returns, neither takes anything.
        sqrt: the square root.
        log: the natural logarithm.
        power: ``power(s, exponent, ordinary)``, to few units in the last place at any magnitude; `ordinary`
            says that no s is 0, infinite or a NaN.
        cheap_sum: ``cheap_sum(q, lo, hi, axes)``, the window sum of what costs little, by addition alone.
        costly_sum: the same of what should not be worked out again for every window that holds it, as compilers
            that fuse one loop into the next do.
    """

    where: Callable[[Array, Array, Array], Array]
    total: Callable[[Array], Array]
    either: Callable[[Array, Callable[[], Any], Callable[[], Any]], Any]
    sqrt: Callable[[Array], Array]
    log: Callable[[Array], Array]
    power: Callable[[Array, Any, bool], Array]
    cheap_sum: Callable[[Array, int, int, Sequence[int]], Array]
    costly_sum: Callable[[Array, int, int, Sequence[int]], Array]


_LARGEST = {"float32": 126, "float64": 1022}
"""By the dtype of the arithmetic: numbers between two to the power of plus and minus this are ordinary."""

_EXPONENTS = {"float16": 24, "bfloat16": 133, "float32": 149, "float64": 1074}
"""By the dtype of the input: the exponents of its numbers lie between plus and minus this."""

_MODERATE = 20


class Gradients(NamedTuple):
    """The gradient for x; and for each learned value, what to sum over the elements that share it."""

    x: Array
    values: dict[str, Array]


class _Sums(NamedTuple):
    """``s = 4^e * t``, where the class of a position says what e is.

    Attributes:
        t: s in range.
        squares: the sum of squares in t.
        inside: for each class beside the plain one, its e and where e is *not* that.
        ordinary: whether every t is known to be no 0, no infinity and no NaN.
    """

    t: Array
    squares: Array
    inside: tuple[tuple[int, Array], ...]
    ordinary: bool


@dataclass(frozen=True)
class Arithmetic:
    """One LRN on one kind of array.

    Attributes:
        operations: the array library.
        spec: the window, and the values that are not learned.
        axes: the axes that the window spans.
        wide: the dtype of the arithmetic, float32 or float64.
        stored: the dtype of the input before it was widened to that.
    """

    operations: Operations
    spec: LRNSpec
    axes: tuple[int, ...]
    wide: str
    stored: str

    def forward(self, x: Array, learned: Values) -> Array:
        """Return ``x * s^-beta``; `learned` takes the place of the spec's k, alpha or beta."""
        if not self.spec.alpha:
            return x * self._constant()
        return self._in_range_or_not(x, learned, lambda shifts: self._forward(x, learned, shifts))

    def backward(self, x: Array, grad: Array, learned: Values) -> Gradients:
        """Return ``g_j s_j^-beta - 2 x_j sum_{c: j in W(c)} alpha beta g_c x_c s_c^(-beta-1)`` and the rest."""
        if not self.spec.alpha:
            return Gradients(grad * self._constant(), {})
        return Gradients(
            *self._in_range_or_not(x, learned, lambda shifts: self._backward(x, grad, learned, shifts))
        )

    def tangent(self, x: Array, dx: Array, learned: Values, dlearned: Values) -> Array:
        """Return how the output moves along dx and, for each learned value that moves, along its part of dlearned.

        That is ``dx_c s_c^-beta - beta y_c ds_c / s_c`` with ``ds_c = 2 alpha sum_{j in W(c)} x_j dx_j``.
        """
        where, shifts = self.operations.where, self.shifts()
        sums = self._sums(x, learned, shifts)
        root = self._root(sums, learned)
        y = self._times_power(x, root, sums, learned)
        factored, dfactored = self._factored(x), self._factored(dx)
        products = self._window(factored * dfactored)
        for shift, inside in sums.inside:
            # As for the squares: no window that is scaled up holds an x of 1.
            scaled = (factored if shift > 0 else where(factored * factored < 1.0, factored, 0.0)) * 2.0**-shift
            products = where(inside, products, self._window(scaled * (dfactored * 2.0**-shift)))
        factor = 2 * self._alpha(learned) * learned.get("beta", self.spec.beta)
        moved = self._times_power(dx, root, sums, learned) - y * (products / sums.t * factor)
        terms = self._of_values(y, sums, learned) if dlearned else {}
        for name, value in dlearned.items():
            moved = moved + terms[name] * value
        return moved

    def _in_range_or_not(self, x: Array, learned: Values, compute: Callable[[Shifts], Any]) -> Any:  # noqa: ANN401
        """Compute without shifts where no x can need one, which one reading of x tells."""
        shifts, total = self.shifts(), self.operations.total
        if not shifts or shifts[-1] < 0:
            return compute(shifts)
        # A bound of every s: more than it by far, but all that counts is that no usual x exceeds the limit.
        bound = total(x * x) * self.spec.alpha
        for name, value in learned.items():
            bound = bound * (total(value) / self.spec.alpha) if name == "alpha" else bound
            bound = bound + total(value) if name == "k" else bound
        small = bound <= 2.0 ** self.reach() - self.spec.k
        return self.operations.either(small, lambda: compute(None), lambda: compute(shifts))

    def _forward(self, x: Array, learned: Values, shifts: Shifts) -> Array:
        sums = self._sums(x, learned, shifts)
        return self._times_power(x, self._root(sums, learned), sums, learned)

    def _backward(self, x: Array, grad: Array, learned: Values, shifts: Shifts) -> tuple[Array, dict[str, Array]]:
        where = self.operations.where
        alpha, beta = self._alpha(learned), learned.get("beta", self.spec.beta)
        sums = self._sums(x, learned, shifts)
        root = self._root(sums, learned)
        direct = self._times_power(grad, root, sums, learned)
        # Neither factor of h_c * x_j may be in range until both are divided by 2^e, nor may their product be
        # until it is multiplied by 2^(-2 e beta).
        h = grad
        for _ in range(self._rounds(learned)):
            h = h * root
        h = h * self._divided(x, sums) / sums.t * (2 * alpha * beta)
        plain = h
        for _, inside in sums.inside:
            plain = where(inside, plain, 0.0)
        through = self._reaching(plain) * self._factored(x)
        for shift, inside in sums.inside:
            # No window of a position scaled up holds an x of 1, which scaled up might overflow.
            scaled = self._factored(x if shift > 0 else where(x * x < 1.0, x, 0.0)) * 2.0**-shift
            factor = self._power_of_two(-shift * beta)
            through = through + self._reaching(where(inside, 0.0, h)) * factor * scaled * factor
        if not learned:
            return direct - through, {}
        y = self._times_power(x, root, sums, learned)
        return direct - through, self._of_values(grad * y, sums, learned)

    def reach(self) -> int:
        """Return the n for which s between 2^-n and 2^n is taken as it is.

        There, s^-beta and every h = g x s^(-beta-1) of ordinary g are ordinary, since alpha x^2 <= s.
        """
        largest = _LARGEST[self.wide] - 6
        return min(round(largest / (abs(self.spec.beta) + 0.5)), round(0.8 * largest))

    def shifts(self) -> tuple[int, ...]:
        """Return the e that some input may need beside 0."""
        reach = self.reach()
        shift = reach + 2
        alpha = math.log2(self.spec.alpha)
        largest = 2 * _EXPONENTS[self.stored] + alpha + math.log2(self.spec.count)
        k = math.log2(self.spec.k) if self.spec.k else -math.inf
        smallest = max(k, -2 * _EXPONENTS[self.stored] + alpha)
        return *([shift] if largest > reach else []), *([-shift] if smallest < -reach else [])

    def _of_values(self, grad_y: Array, sums: _Sums, learned: Values) -> dict[str, Array]:
        """Return what each learned value gets from each element, from the product of output and its gradient."""
        beta, found = learned.get("beta", self.spec.beta), {}
        if "k" in learned:
            found["k"] = -beta * self._shifted(self._shifted(grad_y / sums.t, sums), sums)
        if "alpha" in learned:
            found["alpha"] = -beta * grad_y * (sums.squares / sums.t * 4.0 ** -self._exponent())
        if "beta" in learned:
            log = self.operations.log(sums.t)
            for shift, inside in sums.inside:
                log = self.operations.where(inside, log, log + shift * 2 * math.log(2))
            found["beta"] = -grad_y * log
        return found

    def _sums(self, x: Array, learned: Values, shifts: Shifts) -> _Sums:
        k, alpha = learned.get("k", self.spec.k), self._alpha(learned)
        where, limit = self.operations.where, 2.0 ** self.reach()
        x = self._factored(x)
        squares = self._squares(x)
        plain = t = alpha * squares + k
        found = []
        for shift in shifts or ():
            # No window that is scaled up holds an x of 1, whose square and its derivative might overflow there.
            # Written so that a NaN stays one.
            q = self._squares((x if shift > 0 else where(x * x >= 1.0, 0.0, x)) * 2.0**-shift)
            # Written so that a NaN is not inside.
            inside = plain <= limit if shift > 0 else plain >= 1 / limit
            t = where(inside, t, alpha * q + k * 2.0**-shift * 2.0**-shift)
            squares = where(inside, squares, q)
            found.append((shift, inside))
        return _Sums(t, squares, tuple(found), ordinary=shifts is None and "k" not in learned)

    def _squares(self, x: Array) -> Array:
        return self._window(x * x)

    def _window(self, q: Array) -> Array:
        return self.operations.cheap_sum(q, self.spec.lo, self.spec.hi, self.axes)

    def _reaching(self, h: Array) -> Array:
        """Return ``sum_{c: j in W(c)} h_c``: the window of c holds j where the mirrored window of j holds c."""
        return self.operations.costly_sum(h, self.spec.hi, self.spec.lo, self.axes)

    def _divided(self, x: Array, sums: _Sums) -> Array:
        """Return ``x / 2^e`` with the factor of alpha."""
        return self._shifted(self._factored(x), sums)

    def _shifted(self, x: Array, sums: _Sums) -> Array:
        for shift, inside in sums.inside:
            x = self.operations.where(inside, x, x * 2.0**-shift)
        return x

    def _exponent(self) -> int:
        """A power of two whose square is about alpha, where alpha is so far from 1 that products of it matter."""
        exponent = math.log2(self.spec.alpha)
        return round(exponent / 2) if abs(exponent) > _MODERATE else 0

    def _alpha(self, learned: Values) -> Any:  # noqa: ANN401  a float or an array
        return learned.get("alpha", self.spec.alpha) * 4.0 ** -self._exponent()

    def _factored(self, x: Array) -> Array:
        """Return ``sqrt(alpha) * x`` as far as that is a power of two."""
        return x * 2.0 ** self._exponent() if self._exponent() else x

    def _rounds(self, learned: Values) -> int:
        """The number of factors that a power is taken in, each of an exponent of 1 at most.

        A learned beta may grow to twice its initial value before a factor's exponent is more.
        """
        return max(1, math.ceil(abs(self.spec.beta))) * (2 if "beta" in learned else 1)

    def _root(self, sums: _Sums, learned: Values) -> Array:
        return self._power(sums.t, learned.get("beta", self.spec.beta) / self._rounds(learned), sums.ordinary)

    def _times_power(self, x: Array, root: Array, sums: _Sums, learned: Values) -> Array:
        """Return ``x * s^-beta = x * t^-beta * 2^(-2 e beta)``, in factors whose products stay in range."""
        where, rounds = self.operations.where, self._rounds(learned)
        factors = [
            (shift, inside, self._power_of_two(-shift * learned.get("beta", self.spec.beta) / rounds))
            for shift, inside in sums.inside
        ]
        for _ in range(rounds):
            # Half of the exponent at a time: the whole of it may be out of range by itself. A tiny x is raised
            # before it meets its root, a large x lowered after.
            for shift, inside, factor in factors:
                x = where(inside, x, x * factor) if shift < 0 else x
            x = x * root
            for shift, inside, factor in factors:
                x = where(inside, x, x * factor) if shift > 0 else x
                x = where(inside, x, x * factor)
        return x

    def _power_of_two(self, exponent: Any) -> Any:  # noqa: ANN401  a float or an array
        if isinstance(exponent, float):
            return 2.0**exponent
        return self.operations.power(0.0 * exponent + 2.0, exponent, True)

    def _power(self, s: Array, beta: Any, ordinary: bool) -> Array:  # noqa: ANN401  a float or an array
        """Return ``s^-beta``, by square roots where those do."""
        if isinstance(beta, float) and beta in (0.5, 0.75, 1.0):
            root = s if beta == 1.0 else self.operations.sqrt(s)
            return 1.0 / (root * self.operations.sqrt(root) if beta == 0.75 else root)
        return self.operations.power(s, -beta, ordinary)

    def _constant(self) -> float:
        """Return ``k^-beta``, which is all that alpha = 0 leaves."""
        try:
            return math.pow(self.spec.k, -self.spec.beta)
        except OverflowError:
            return math.inf
