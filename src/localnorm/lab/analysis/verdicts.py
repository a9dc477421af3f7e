"""Verdicts: claims against samples of one task or several, corrected for being several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from localnorm.lab.analysis.claims import NOT_ITSELF, SELF, Claim, Contrast, claim_of
from localnorm.lab.analysis.statistics import (
    LEVEL,
    Estimate,
    Evidence,
    estimate_over,
    evidence_over,
    holm,
    middle_over,
    pairs_to_decide,
)
from localnorm.lab.measures import Row, Sample

Verdict = Literal["supported", "not supported", "undecided"]
Standing = Literal["better", "worse", "no different", "undecided"]
Strata = list[list[float]]
"""Paired differences, a list a task; empty where some task has none."""
FEWEST_PAIRS = 3
"""Fewer pairs than this in a task decide nothing."""


@dataclass(frozen=True)
class Compared:
    """A paired difference that a claim rests on: ``value(more) - value(than)``, its mean over the tasks."""

    more: str
    than: str
    difference: Estimate


@dataclass(frozen=True)
class Judgement:
    """What was decided of one norm in one row.

    Attributes:
        verdict: on the claim.
        p_value: of the verdict, after Holm's correction; None where the row is exact or nothing was measured.
        compared: the paired differences that the verdict rests on.
        difference: from none, paired; None where there are no pairs.
        standing: against none: by at least the smallest effect better or worse, or less than that apart.
        why: why a verdict is what it is, where the numbers do not say it.
        seeds: how many seeds would decide an undecided verdict, one more than `MOST_PAIRS` for more than that;
            None where it is decided or can't be told.
    """

    verdict: Verdict
    p_value: float | None
    compared: tuple[Compared, ...]
    difference: Estimate | None
    standing: Standing
    why: str = ""
    seeds: int | None = None


@dataclass(frozen=True)
class _Weighed:
    """The evidence for (`at_least`) and against (`less`) a claim, or why there is none."""

    evidence: Evidence | None
    why: str
    refused: bool = False


def judge(row: Row, *tasks: Mapping[str, Sample]) -> dict[str, Judgement]:
    """Judge every norm but `none` in one row.

    Args:
        row: what is measured; its smallest effect is that of every sample.
        tasks: the samples by norm, of one task or of each of several, whose mean is judged then.

    Example:
        >>> row = Row("generalization", "", "% error", smallest_effect=0.5)
        >>> samples = {"none": Sample((9.0, 8.0, 9.5)), "batch": Sample((4.0, 4.5, 4.0))}
        >>> judge(row, samples)["batch"].standing
        'better'
    """
    norms = [norm for norm in tasks[0] if norm != "none"]
    claims = {norm: _weigh_claim(row, tasks, norm) for norm in norms}
    corrected = holm(
        {n: min(w.evidence.at_least, w.evidence.less) for n, w in claims.items() if w.evidence is not None}
    )
    standings = _standings(row, tasks, norms)
    judged = {}
    for norm in norms:
        verdict = _verdict(row, tasks[0][norm], norm, claims[norm], corrected.get(norm))
        excess = differences(tasks, norm, "none")
        judged[norm] = Judgement(
            verdict,
            None if row.exact else corrected.get(norm),
            _compared(row, tasks, norm),
            estimate_over(excess) if excess else None,
            standings[norm],
            claims[norm].why,
            # Rounds of timing are no seeds.
            _seeds(row, tasks, norm, len(corrected)) if verdict == "undecided" and row.repeats else None,
        )
    return judged


def differences(tasks: Sequence[Mapping[str, Sample]], more: str, than: str) -> Strata:
    """Return value(more) - value(than) for every pair in which both exist, a list a task.

    Nothing is returned where some task has no pair: a mean over other tasks would be another number.
    """
    strata: Strata = []
    for samples in tasks:
        if more not in samples or than not in samples:
            return []
        pairs = zip(samples[more].values, samples[than].values, strict=False)
        strata.append([a - b for a, b in pairs if a is not None and b is not None])
    return strata if all(strata) else []


def _contrasts(row: Row, norm: str) -> list[Contrast]:
    return [_named(contrast, norm) for contrast in claim_of(row.name, norm).contrasts]


def _compared(row: Row, tasks: Sequence[Mapping[str, Sample]], norm: str) -> tuple[Compared, ...]:
    paired = [(c, differences(tasks, c.more, c.than)) for c in _contrasts(row, norm)]
    return tuple(Compared(c.more, c.than, estimate_over(strata)) for c, strata in paired if strata)


def _weigh(row: Row, strata: Strata, effect: float) -> Evidence | None:
    """Return the evidence on "at least the effect"; None where there are too few pairs to decide."""
    if row.exact and strata:
        return Evidence(0.0, 1.0) if middle_over(strata) >= effect else Evidence(1.0, 0.0)
    enough = bool(strata) and min(map(len, strata)) >= FEWEST_PAIRS
    return evidence_over(strata, effect) if enough else None


def _weigh_claim(row: Row, tasks: Sequence[Mapping[str, Sample]], norm: str) -> _Weighed:
    """Weigh a claim: all its contrasts must hold.

    For the claim speaks the weakest of them, against it the strongest refutation, corrected for there being
    several.
    """
    weighed: list[Evidence] = []
    for contrast in _contrasts(row, norm):
        absent = _absent(tasks, contrast)
        if absent:
            # A norm that was run and can't be used anywhere is no help there.
            refused = all(samples[norm].missing.startswith("failed") for samples in tasks)
            return _Weighed(None, absent, refused)
        found = _weigh(row, differences(tasks, contrast.more, contrast.than), row.smallest_effect)
        if found is None:
            return _Weighed(None, f"fewer than {FEWEST_PAIRS} pairs")
        weighed.append(found if contrast.holds else Evidence(found.less, found.at_least))
    if not weighed:
        return _Weighed(None, "")
    against = min(1.0, len(weighed) * min(e.less for e in weighed))
    return _Weighed(Evidence(max(e.at_least for e in weighed), against), "")


def _absent(tasks: Sequence[Mapping[str, Sample]], contrast: Contrast) -> str:
    """Return why a norm of the contrast has no value, empty where both have."""
    for samples in tasks:
        for norm in (contrast.more, contrast.than):
            if norm not in samples:
                return f"{norm}: not in this study"
            if not samples[norm].values:
                return f"{norm}: {samples[norm].missing}"
    return ""


def _named(contrast: Contrast, norm: str) -> Contrast:
    more, than = (norm if name == SELF else name for name in (contrast.more, contrast.than))
    return Contrast(more, than, contrast.holds)


def _verdict(row: Row, sample: Sample, norm: str, weighed: _Weighed, corrected: float | None) -> Verdict:
    claim: Claim = claim_of(row.name, norm)
    if claim.reach and sample.text:
        right = sample.text != "itself" if claim.reach == NOT_ITSELF else sample.text == claim.reach
        return "supported" if right else "not supported"
    if weighed.evidence is None or corrected is None:
        helps = claim.contrasts and claim.contrasts[0].more == "none" and claim.contrasts[0].holds
        return "not supported" if weighed.refused and helps else "undecided"
    if corrected > 1 - LEVEL:
        return "undecided"
    return "supported" if weighed.evidence.at_least < weighed.evidence.less else "not supported"


def _seeds(row: Row, tasks: Sequence[Mapping[str, Sample]], norm: str, comparisons: int) -> int | None:
    """Return how many seeds would decide: all contrasts where all seem to hold, else the first refutation."""
    holding: list[int | None] = []
    refuting: list[int] = []
    contrasts = _contrasts(row, norm)
    for contrast in contrasts:
        strata = differences(tasks, contrast.more, contrast.than)
        if not strata:
            return None
        needed = pairs_to_decide(strata, row.smallest_effect, max(1, comparisons))
        holding.append(needed)
        if (middle_over(strata) >= row.smallest_effect) != contrast.holds:
            # A refutation is corrected for each of the contrasts that could have been one.
            needed = pairs_to_decide(strata, row.smallest_effect, max(1, comparisons) * len(contrasts))
            refuting += [needed] if needed is not None else []
    if refuting:
        return min(refuting)
    known = [needed for needed in holding if needed is not None]
    return max(known) if known and len(known) == len(holding) else None


def _standings(row: Row, tasks: Sequence[Mapping[str, Sample]], norms: list[str]) -> dict[str, Standing]:
    """Compare every norm with none, in both directions and for being alike."""
    if row.lower_is_better is None:
        return dict.fromkeys(norms, "undecided")
    candidates: dict[str, tuple[float, Standing]] = {}
    for norm in norms:
        excess = differences(tasks, norm, "none")
        above = _weigh(row, excess, row.smallest_effect)
        below = _weigh(row, [[-d for d in values] for values in excess], row.smallest_effect)
        if above is None or below is None:
            continue
        higher: Standing = "worse" if row.lower_is_better else "better"
        lower: Standing = "better" if row.lower_is_better else "worse"
        alike = max(above.less, below.less)
        candidates[norm] = min((above.at_least, higher), (below.at_least, lower), (alike, "no different"))
    corrected = holm({norm: p for norm, (p, _) in candidates.items()})
    return {norm: candidates[norm][1] if corrected.get(norm, 1.0) <= 1 - LEVEL else "undecided" for norm in norms}
