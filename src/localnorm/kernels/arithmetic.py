"""LRN in the operations of any array library, robust to overflow and underflow of the squares.

Squares leave the range of a float long before their inputs do. So there are up to three sums: of the squares
themselves and, if that may be needed, of the squares of ``x * 2^-shift`` and of ``x * 2^shift``. Each position
takes the sum that is in range, ``s = 4^e * t`` with t in range and e from {0, shift, -shift} (the idea of Blue's
norm, ACM TOMS 4, 1978). No step depends on a value, so the formula can be traced, batched and fused, and a NaN or
an infinity reaches only the windows that hold it.
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
"""Exponents of the powers of two to divide x by if needed; None if s is known to be in range everywhere."""


@dataclass(frozen=True)
class Operations:
    """The functions of an array library that the formula calls, beside ``+ - * / <``.

    Attributes:
        where: ``where(condition, a, b)``.
        total: the sum of all elements.
        cond: ``cond(condition, then, otherwise)`` returns the result of one of two functions without arguments.
        sqrt: the square root.
        log: the natural logarithm.
        power: ``power(s, exponent, positive_finite)``, to few units in the last place at any magnitude;
            `positive_finite` promises that no s is 0, infinite or a NaN.
        window_sum: ``window_sum(q, lo, hi, axes)``, the sums over windows, by addition alone.
        window_sum_once: the same for a q that costs much, so that no compiler may fuse it into the sums and
            compute
            it again for every window.
    """

    where: Callable[[Array, Array, Array], Array]
    total: Callable[[Array], Array]
    cond: Callable[[Array, Callable[[], Any], Callable[[], Any]], Any]
    sqrt: Callable[[Array], Array]
    log: Callable[[Array], Array]
    power: Callable[[Array, Any, bool], Array]
    window_sum: Callable[[Array, int, int, Sequence[int]], Array]
    window_sum_once: Callable[[Array, int, int, Sequence[int]], Array]


_LARGEST = {"float32": 126, "float64": 1022}
"""By compute dtype: numbers between two to the power of plus and minus this are normal."""

_EXPONENTS = {"float16": 24, "bfloat16": 133, "float32": 149, "float64": 1074}
"""By storage dtype: the exponents of its numbers are between plus and minus this."""

_MODERATE = 20


class Gradients(NamedTuple):
    """The gradient for x; and for each learned value, the terms to sum over the elements that share it."""

    x: Array
    values: dict[str, Array]


class _Sums(NamedTuple):
    """``s = 4^e * t``, with an e for each class of positions.

    Attributes:
        t: s in range.
        squares: the sum of squares in t.
        inside: for each class with an e other than 0, that e and a mask of the positions *not* in the class.
        positive_finite: whether every t is known to be positive and finite.
    """

    t: Array
    squares: Array
    inside: tuple[tuple[int, Array], ...]
    positive_finite: bool


@dataclass(frozen=True)
class Arithmetic:
    """One LRN for arrays of one library and dtype.

    Attributes:
        operations: the array library.
        spec: the window, and the values that are not learned.
        axes: the axes that the window spans.
        wide: the compute dtype, float32 or float64.
        stored: the storage dtype of the input, before it was converted to `wide`.
    """

    operations: Operations
    spec: LRNSpec
    axes: tuple[int, ...]
    wide: str
    stored: str

    def forward(self, x: Array, learned: Values) -> Array:
        """Return ``x * s^-beta``; `learned` replaces the spec's k, alpha or beta."""
        if not self.spec.alpha:
            return x * self._constant(learned)
        return self._with_needed_shifts(x, learned, lambda shifts: self._forward(x, learned, shifts))

    def backward(self, x: Array, grad: Array, learned: Values) -> Gradients:
        """Return ``g_j s_j^-beta - 2 x_j sum_{c: j in W(c)} alpha beta g_c x_c s_c^(-beta-1)`` and the rest."""
        if not self.spec.alpha:
            constant = self._constant(learned)
            return Gradients(grad * constant, self._constant_terms(grad * (x * constant), learned))
        return Gradients(
            *self._with_needed_shifts(x, learned, lambda shifts: self._backward(x, grad, learned, shifts))
        )

    def tangent(self, x: Array, dx: Array, learned: Values, dlearned: Values) -> Array:
        """Return the tangent of the output along dx and dlearned, which holds the learned values that have one.

        It is ``dx_c s_c^-beta - beta y_c ds_c / s_c`` with ``ds_c = 2 alpha sum_{j in W(c)} x_j dx_j``.
        """
        if not self.spec.alpha:
            terms = self._constant_terms(x * self._constant(learned), learned)
            return dx * self._constant(learned) + sum(terms[name] * value for name, value in dlearned.items())
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
        terms = self._value_terms(y, sums, learned) if dlearned else {}
        for name, value in dlearned.items():
            moved = moved + terms[name] * value
        return moved

    def _with_needed_shifts(self, x: Array, learned: Values, compute: Callable[[Shifts], Any]) -> Any:  # noqa: ANN401
        """Compute without shifts if no x needs one, which one pass over x tells."""
        shifts, total = self.shifts(), self.operations.total
        if not shifts or shifts[-1] < 0:
            return compute(shifts)
        # An upper bound of every s: a loose one, but no usual x exceeds the limit.
        bound = total(x * x) * self.spec.alpha
        for name, value in learned.items():
            bound = bound * (total(value) / self.spec.alpha) if name == "alpha" else bound
            bound = bound + total(value) if name == "k" else bound
        small = bound <= 2.0 ** self.reach() - self.spec.k
        return self.operations.cond(small, lambda: compute(None), lambda: compute(shifts))

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
            if any(extent != 1 for extent in getattr(beta, "shape", ())):
                # The power of two is that of the channel that h is of, not of the one that its window reaches.
                through = through + self._reaching(where(inside, 0.0, h) * factor * factor) * scaled
            else:
                through = through + self._reaching(where(inside, 0.0, h)) * factor * scaled * factor
        if not learned:
            return direct - through, {}
        y = self._times_power(x, root, sums, learned)
        return direct - through, self._value_terms(grad * y, sums, learned)

    def reach(self) -> int:
        """Return the n for which s between 2^-n and 2^n needs no shift.

        There, s^-beta and every h = g x s^(-beta-1) of a normal g are normal, because alpha x^2 <= s.
        """
        largest = _LARGEST[self.wide] - 6
        return min(round(largest / (abs(self.spec.beta) + 0.5)), round(0.8 * largest))

    def shifts(self) -> tuple[int, ...]:
        """Return the e other than 0 that some input may need."""
        reach = self.reach()
        shift = reach + 2
        alpha = math.log2(self.spec.alpha)
        largest = 2 * _EXPONENTS[self.stored] + alpha + math.log2(self.spec.count)
        k = math.log2(self.spec.k) if self.spec.k else -math.inf
        smallest = max(k, -2 * _EXPONENTS[self.stored] + alpha)
        return *([shift] if largest > reach else []), *([-shift] if smallest < -reach else [])

    def _value_terms(self, grad_y: Array, sums: _Sums, learned: Values) -> dict[str, Array]:
        """Return the terms of each learned value's gradient, given the product of the output and its gradient."""
        beta, terms = learned.get("beta", self.spec.beta), {}
        if "k" in learned:
            terms["k"] = -beta * self._shifted(self._shifted(grad_y / sums.t, sums), sums)
        if "alpha" in learned:
            terms["alpha"] = -beta * grad_y * (sums.squares / sums.t * 4.0 ** -self._exponent())
        if "beta" in learned:
            log = self.operations.log(sums.t)
            for shift, inside in sums.inside:
                log = self.operations.where(inside, log, log + shift * 2 * math.log(2))
            terms["beta"] = -grad_y * log
        return terms

    def _sums(self, x: Array, learned: Values, shifts: Shifts) -> _Sums:
        k, alpha = learned.get("k", self.spec.k), self._alpha(learned)
        where, limit = self.operations.where, 2.0 ** self.reach()
        x = self._factored(x)
        squares = self._squares(x)
        plain = t = alpha * squares + k
        inside_of = []
        for shift in shifts or ():
            # No window that is scaled up holds an x of 1, whose square and its derivative might overflow there.
            # The comparison is such that a NaN stays one.
            q = self._squares((x if shift > 0 else where(x * x >= 1.0, 0.0, x)) * 2.0**-shift)
            # The comparison is such that a NaN is not inside.
            inside = plain <= limit if shift > 0 else plain >= 1 / limit
            t = where(inside, t, alpha * q + k * 2.0**-shift * 2.0**-shift)
            squares = where(inside, squares, q)
            inside_of.append((shift, inside))
        return _Sums(t, squares, tuple(inside_of), positive_finite=shifts is None and "k" not in learned)

    def _squares(self, x: Array) -> Array:
        return self._window(x * x)

    def _window(self, q: Array) -> Array:
        return self.operations.window_sum(q, self.spec.lo, self.spec.hi, self.axes)

    def _reaching(self, h: Array) -> Array:
        """Return ``sum_{c: j in W(c)} h_c``: the window of c holds j where the mirrored window of j holds c."""
        return self.operations.window_sum_once(h, self.spec.hi, self.spec.lo, self.axes)

    def _divided(self, x: Array, sums: _Sums) -> Array:
        """Return ``x / 2^e`` with the factor of alpha."""
        return self._shifted(self._factored(x), sums)

    def _shifted(self, x: Array, sums: _Sums) -> Array:
        for shift, inside in sums.inside:
            x = self.operations.where(inside, x, x * 2.0**-shift)
        return x

    def _exponent(self) -> int:
        """Return n for which 4^n is about alpha, or 0 if alpha is so close to 1 that no product overflows."""
        exponent = math.log2(self.spec.alpha)
        return round(exponent / 2) if abs(exponent) > _MODERATE else 0

    def _alpha(self, learned: Values) -> Any:  # noqa: ANN401  a float or an array
        return learned.get("alpha", self.spec.alpha) * 4.0 ** -self._exponent()

    def _factored(self, x: Array) -> Array:
        """Return ``sqrt(alpha) * x`` as far as that is a power of two."""
        return x * 2.0 ** self._exponent() if self._exponent() else x

    def _rounds(self, learned: Values) -> int:
        """Return the number of factors of a power, each with an exponent of at most 1.

        A learned beta may grow to twice its initial value before the exponent of a factor exceeds that.
        """
        return max(1, math.ceil(abs(self.spec.beta))) * (2 if "beta" in learned else 1)

    def _root(self, sums: _Sums, learned: Values) -> Array:
        return self._power(
            sums.t, learned.get("beta", self.spec.beta) / self._rounds(learned), sums.positive_finite
        )

    def _times_power(self, x: Array, root: Array, sums: _Sums, learned: Values) -> Array:
        """Return ``x * s^-beta = x * t^-beta * 2^(-2 e beta)``, in factors whose products stay in range."""
        where, rounds = self.operations.where, self._rounds(learned)
        factors = [
            (shift, inside, self._power_of_two(-shift * learned.get("beta", self.spec.beta) / rounds))
            for shift, inside in sums.inside
        ]
        for _ in range(rounds):
            # Half of the exponent at a time: the whole may be out of range by itself. A tiny x is scaled up before
            # it is multiplied by its root, a large x scaled down after it.
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

    def _power(self, s: Array, beta: Any, positive_finite: bool) -> Array:  # noqa: ANN401  a float or an array
        """Return ``s^-beta``, by square roots if beta allows."""
        if isinstance(beta, float) and beta in (0.5, 0.75, 1.0):
            root = s if beta == 1.0 else self.operations.sqrt(s)
            return 1.0 / (root * self.operations.sqrt(root) if beta == 0.75 else root)
        return self.operations.power(s, -beta, positive_finite)

    def _constant(self, learned: Values) -> Any:  # noqa: ANN401  a float or an array
        """Return ``k^-beta``, which is all that alpha = 0 leaves."""
        k, beta = learned.get("k", self.spec.k), learned.get("beta", self.spec.beta)
        if learned:
            return self.operations.power(k + 0.0 * beta, -beta, False)
        try:
            return math.pow(k, -beta)
        except OverflowError:
            return math.inf

    def _constant_terms(self, grad_y: Array, learned: Values) -> dict[str, Array]:
        """Return the terms of `_value_terms` if alpha is 0."""
        if not learned:
            return {}
        k, beta = learned.get("k", self.spec.k), learned.get("beta", self.spec.beta)
        terms = {"k": -beta * grad_y / k, "beta": -grad_y * self.operations.log(k + 0.0 * beta)}
        return {name: terms[name] for name in learned}
