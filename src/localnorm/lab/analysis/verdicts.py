"""Judge every norm in a row: verdict on its claim, comparison with none, Holm's correction over the norms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from localnorm.lab.analysis.claims import NOT_ITSELF, SELF, Contrast, claim_of
from localnorm.lab.analysis.paired import (
    FEWEST_PAIRS,
    ClaimedDifference,
    Strata,
    Verdict,
    paired,
    seeds_to_decide,
    verdict,
    weigh,
)
from localnorm.lab.analysis.statistics import LEVEL, Estimate, PValues, estimate_over, holm
from localnorm.lab.measures import Row, Sample

Comparison = Literal["better", "worse", "no different", "undecided"]
Tasks = Sequence[Mapping[str, Sample]]
"""The samples by norm, for each task."""


@dataclass(frozen=True)
class Compared:
    """A paired difference that a claim rests on: ``value(more) - value(than)``, its mean over the tasks."""

    more: str
    than: str
    difference: Estimate


@dataclass(frozen=True)
class Judgement:
    """The result for one norm in one row.

    Attributes:
        verdict: on the claim.
        p_value: of the verdict, after Holm's correction; None if the row is exact or nothing was measured.
        compared: the paired differences that the verdict rests on.
        difference: the paired difference from none; None without pairs.
        comparison: with none: better or worse by at least the smallest effect, or closer than that.
        why: the reason for a verdict that the numbers do not explain.
        seeds: number of seeds that would decide an undecided verdict, `MOST_PAIRS` + 1 for more than
            `MOST_PAIRS`; None if it is decided or unknown.
    """

    verdict: Verdict
    p_value: float | None
    compared: tuple[Compared, ...]
    difference: Estimate | None
    comparison: Comparison
    why: str = ""
    seeds: int | None = None


def judge(row: Row, *tasks: Mapping[str, Sample]) -> dict[str, Judgement]:
    """Judge every norm but `none` in one row.

    Args:
        row: the criterion; its smallest effect applies to every sample.
        tasks: the samples by norm, of one task or of several; for several, their mean is judged.

    Example:
        >>> row = Row("generalization", "", "% error", smallest_effect=0.5)
        >>> samples = {"none": Sample((9.0, 8.0, 9.5)), "batch": Sample((4.0, 4.5, 4.0))}
        >>> judge(row, samples)["batch"].comparison
        'better'
    """
    norms = [norm for norm in tasks[0] if norm != "none"]
    contrasts = {norm: _contrasts(row, norm) for norm in norms}
    claims = {
        norm: [ClaimedDifference(differences(tasks, c.more, c.than), c.holds) for c in contrasts[norm]]
        for norm in norms
    }
    absent = {norm: next(filter(None, (_absent(tasks, c) for c in contrasts[norm])), "") for norm in norms}
    weighed = {
        norm: weigh(claim, row.smallest_effect, exact=row.exact) if claim and not absent[norm] else None
        for norm, claim in claims.items()
    }
    corrected = holm({norm: p.smaller for norm, p in weighed.items() if p})
    comparisons = _comparisons(row, tasks, norms)
    judged = {}
    for norm in norms:
        found = _verdict(row, tasks, norm, weighed[norm], corrected.get(norm))
        few = claims[norm] and not weighed[norm]
        excess = differences(tasks, norm, "none")
        judged[norm] = Judgement(
            found,
            None if row.exact else corrected.get(norm),
            tuple(
                Compared(c.more, c.than, d.estimate)
                for c, d in zip(contrasts[norm], claims[norm], strict=True)
                if d.strata
            ),
            estimate_over(excess) if excess else None,
            comparisons[norm],
            absent[norm] or (f"fewer than {FEWEST_PAIRS} pairs" if few else ""),
            # Timing rounds are not seeds.
            seeds_to_decide(claims[norm], row.smallest_effect, len(corrected))
            if found == "undecided" and row.repeats and claims[norm]
            else None,
        )
    return judged


def differences(tasks: Tasks, more: str, than: str) -> Strata:
    """Return value(more) - value(than) of every pair that has both, one list per task; see `paired`."""
    if any(norm not in samples for samples in tasks for norm in (more, than)):
        return []
    return paired([samples[more].values for samples in tasks], [samples[than].values for samples in tasks])


def _contrasts(row: Row, norm: str) -> list[Contrast]:
    """Return the contrasts of a norm's claim, with its own name for `SELF`."""
    contrasts = claim_of(row.name, norm).contrasts
    names = [[norm if name == SELF else name for name in (c.more, c.than)] for c in contrasts]
    return [Contrast(more, than, c.holds) for (more, than), c in zip(names, contrasts, strict=True)]


def _absent(tasks: Tasks, contrast: Contrast) -> str:
    """Return why a norm of the contrast has no value; empty if both have one."""
    for samples in tasks:
        for norm in (contrast.more, contrast.than):
            if norm not in samples:
                return f"{norm}: not in this study"
            if not samples[norm].values:
                return f"{norm}: {samples[norm].missing}"
    return ""


def _verdict(row: Row, tasks: Tasks, norm: str, weighed: PValues | None, corrected: float | None) -> Verdict:
    claim, text = claim_of(row.name, norm), tasks[0][norm].text
    if claim.reach and text:
        right = text != "itself" if claim.reach == NOT_ITSELF else text == claim.reach
        return "supported" if right else "not supported"
    if weighed is None or corrected is None:
        # A norm that failed on every task does not help there.
        helps = claim.contrasts and claim.contrasts[0].more == "none" and claim.contrasts[0].holds
        failed = all(samples[norm].missing.startswith("failed") for samples in tasks)
        return "not supported" if helps and failed else "undecided"
    return verdict(weighed, corrected)


def _comparisons(row: Row, tasks: Tasks, norms: Sequence[str]) -> dict[str, Comparison]:
    """Compare every norm with none: above it, below it, and closer than the smallest effect."""
    if row.lower_is_better is None:
        return dict.fromkeys(norms, "undecided")
    candidates: dict[str, tuple[float, Comparison]] = {}
    higher: Comparison = "worse" if row.lower_is_better else "better"
    lower: Comparison = "better" if row.lower_is_better else "worse"
    for norm in norms:
        excess = differences(tasks, norm, "none")
        above = weigh([ClaimedDifference(excess)], row.smallest_effect, exact=row.exact)
        below = weigh([ClaimedDifference([[-d for d in v] for v in excess])], row.smallest_effect, exact=row.exact)
        if above and below:
            closer = max(above.less, below.less)
            candidates[norm] = min((above.at_least, higher), (below.at_least, lower), (closer, "no different"))
    corrected = holm({norm: p for norm, (p, _) in candidates.items()})
    return {norm: candidates[norm][1] if corrected.get(norm, 1.0) <= 1 - LEVEL else "undecided" for norm in norms}
