"""Judge every norm in a row: compared with none, and the article's claims about it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from localnorm.lab.analysis.claims import NOT_ITSELF, SELF, Claim, claim_of
from localnorm.lab.analysis.inference import UNSEEN, Decision, Word, center
from localnorm.lab.analysis.paired import Compared, Values, Verdict, all_hold, compare, opposite, paired
from localnorm.lab.analysis.statistics import Estimate
from localnorm.lab.measures import Row, Sample
from localnorm.lab.study.study import LOOKS

Comparison = Word
CONTRASTS = 2
"""Contrasts between two norms in a row; a family of their own."""
_FAR = 5.0
"""Smallest effects, and standard deviations, from the typical difference at which a seed trained badly."""


@dataclass(frozen=True)
class Failure:
    """A pair far from the typical difference, on the side against the norm.

    Attributes:
        place: of the pair: the position of its seed among the judged seeds.
        difference: norm minus none.
    """

    place: int
    difference: float


@dataclass(frozen=True)
class Judgement:
    """The result for one norm in one row.

    Attributes:
        verdict: on the article's claim, or on the row's question if it has none about the norm.
        against_none: the paired difference from none, its verdict, and what each look shows.
        compared: the differences that the verdict on the claim rests on.
        why: the reason for a missing result; empty otherwise.
        failures: the pairs that trained badly. They are not in the typical difference.
    """

    verdict: Verdict
    against_none: Compared
    compared: tuple[Compared, ...] = ()
    why: str = ""
    failures: tuple[Failure, ...] = ()

    @property
    def decision(self) -> Decision:
        """The verdict on the difference from none."""
        return self.against_none.decision

    @property
    def comparison(self) -> Comparison:
        """Better, worse, no different or undecided against none."""
        return self.decision.word

    @property
    def difference(self) -> Estimate | None:
        """The typical difference from none, with the interval of the verdict; None before the first look."""
        return difference_of(self.decision)


def difference_of(decision: Decision) -> Estimate | None:
    """Return the estimate and the interval of a decision; None before the first look."""
    return Estimate(decision.estimate, decision.low, decision.high) if decision.pairs else None


def judge(row: Row, samples: Mapping[str, Sample], looks: tuple[int, ...] = LOOKS) -> dict[str, Judgement]:
    """Judge every norm but `none` in one row.

    Args:
        row: the criterion.
        samples: one per norm of the study, also of norms without a result: the error is divided among all norms.
        looks: numbers of judged seeds at which verdicts are made.

    Example:
        >>> row = Row("generalization", "", "% error", smallest_effect=0.5)
        >>> none = Sample((9.0, 8.0, 9.5, 9.0, 8.5, 9.0))
        >>> batch = Sample((4.0, 3.5, 4.5, 4.0, 3.5, 4.5))
        >>> judge(row, {"none": none, "batch": batch})["batch"].comparison
        'better'
    """
    others = [norm for norm in samples if norm != "none"]
    contrasts: dict[tuple[str, str], Compared] = {}

    def contrast(more: str, than: str) -> Compared:
        if (more, than) not in contrasts:
            family = len(others) if "none" in (more, than) else CONTRASTS
            sides = (more, samples[more].values), (than, samples[than].values)
            step = max(samples[more].resolution, samples[than].resolution)
            contrasts[more, than] = compare(row, *sides, family=family, resolution=step, looks=looks)
        return contrasts[more, than]

    judged = {}
    for norm in others:
        claim = claim_of(row.name, norm)
        sides = [[norm if name == SELF else name for name in (c.more, c.than)] for c in claim.contrasts]
        absent = next(filter(None, (_absent(samples, name) for pair in sides for name in pair)), "")
        compared = () if absent else tuple(contrast(more, than) for more, than in sides)
        missing = _absent(samples, norm) or _absent(samples, "none")
        against_none = Compared(norm, "none", UNSEEN) if missing else contrast(norm, "none")
        judged[norm] = Judgement(
            _verdict(row, claim, samples[norm], compared),
            against_none,
            compared,
            absent or missing,
            _failures(row, samples[norm].values, samples["none"].values),
        )
    return judged


def _absent(samples: Mapping[str, Sample], norm: str) -> str:
    """Return why a norm has no value; empty if it has one."""
    if norm not in samples:
        return f"{norm}: not in this study"
    return "" if samples[norm].values else f"{norm}: {samples[norm].missing}"


def _verdict(row: Row, claim: Claim, sample: Sample, compared: tuple[Compared, ...]) -> Verdict:
    if claim.reach and sample.text:
        right = sample.text != "itself" if claim.reach == NOT_ITSELF else sample.text == claim.reach
        return "supported" if right else "not supported"
    if not compared:
        # A norm that cannot be trained does not help.
        helps = claim.contrasts and claim.contrasts[0].more == "none" and claim.contrasts[0].holds
        return "not supported" if helps and sample.missing.startswith("failed") else "undecided"
    lower = row.lower_is_better is not False
    shown = [found.shows(lower_is_better=lower) for found in compared]
    return all_hold([v if c.holds else opposite(v) for v, c in zip(shown, claim.contrasts, strict=True)])


def _failures(row: Row, values: Values, none: Values) -> tuple[Failure, ...]:
    """Return the pairs whose difference is far on the bad side of the typical one."""
    differences = paired(values, none)
    if row.exact or not row.repeats or len(differences) < LOOKS[0]:
        return ()
    middle = center(differences, 0.0)
    sign = -1 if row.lower_is_better is False else 1
    far = _FAR * max(row.smallest_effect, middle.error * math.sqrt(len(differences)))
    return tuple(
        Failure(place, value - base)
        for place, (value, base) in enumerate(zip(values, none, strict=False))
        if value is not None and base is not None and sign * (value - base - middle.value) > far
    )
