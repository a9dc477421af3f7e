"""Verdicts: claims against samples, corrected for being several."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from localnorm.lab.claims import NOT_ITSELF, SELF, Claim, Contrast, claim_of
from localnorm.lab.measures import Row, Sample
from localnorm.lab.statistics import LEVEL, Estimate, Evidence, estimate, evidence, holm

Verdict = Literal["supported", "not supported", "undecided"]
Standing = Literal["better", "worse", "no different", "undecided"]
FEWEST_PAIRS = 3
"""Fewer pairs than this decide nothing."""


@dataclass(frozen=True)
class Compared:
    """A paired difference that a claim rests on: ``value(more) - value(than)``."""

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
    """

    verdict: Verdict
    p_value: float | None
    compared: tuple[Compared, ...]
    difference: Estimate | None
    standing: Standing
    why: str = ""


def judge(row: Row, samples: Mapping[str, Sample]) -> dict[str, Judgement]:
    """Judge every norm but `none` in one row."""
    norms = [norm for norm in samples if norm != "none"]
    claims = {norm: _claim_evidence(row, samples, norm) for norm in norms}
    corrected = holm({norm: min(e.at_least, e.less) for norm, (e, _) in claims.items() if e is not None})
    standings = _standings(row, samples, norms)
    return {
        norm: Judgement(
            _verdict(row, samples[norm], norm, claims[norm][0], corrected.get(norm)),
            None if row.exact else corrected.get(norm),
            _compared(row, samples, norm),
            _difference(samples, norm),
            standings[norm],
            claims[norm][1],
        )
        for norm in norms
    }


def differences(samples: Mapping[str, Sample], more: str, than: str) -> list[float]:
    """Return value(more) - value(than) for every pair in which both exist."""
    if more not in samples or than not in samples:
        return []
    pairs = zip(samples[more].values, samples[than].values, strict=False)
    return [a - b for a, b in pairs if a is not None and b is not None]


def _compared(row: Row, samples: Mapping[str, Sample], norm: str) -> tuple[Compared, ...]:
    contrasts = [_named(contrast, norm) for contrast in claim_of(row.name, norm).contrasts]
    paired = [(c, differences(samples, c.more, c.than)) for c in contrasts]
    return tuple(Compared(c.more, c.than, estimate(values)) for c, values in paired if values)


def _difference(samples: Mapping[str, Sample], norm: str) -> Estimate | None:
    paired = differences(samples, norm, "none")
    return estimate(paired) if paired else None


def _weigh(row: Row, paired: list[float], effect: float) -> Evidence | None:
    """Return the evidence on "at least the effect"; None where there are too few pairs to decide."""
    if row.exact and paired:
        return Evidence(0.0, 1.0) if paired[0] >= effect else Evidence(1.0, 0.0)
    return evidence(paired, effect) if len(paired) >= FEWEST_PAIRS else None


def _claim_evidence(row: Row, samples: Mapping[str, Sample], norm: str) -> tuple[Evidence | None, str]:
    """Return the evidence for (`at_least`) and against (`less`) the claim, or why there is none.

    All contrasts must hold: for the claim speaks the weakest of them, against it the strongest refutation,
    corrected for there being several.
    """
    contrasts = [_named(contrast, norm) for contrast in claim_of(row.name, norm).contrasts]
    weighed: list[Evidence] = []
    for contrast in contrasts:
        absent = [n for n in (contrast.more, contrast.than) if n not in samples or not samples[n].values]
        if absent:
            missing = samples[absent[0]].missing if absent[0] in samples else "not in this study"
            return None, f"{absent[0]}: {missing}"
        found = _weigh(row, differences(samples, contrast.more, contrast.than), row.smallest_effect)
        if found is None:
            return None, f"fewer than {FEWEST_PAIRS} pairs"
        weighed.append(found if contrast.holds else Evidence(found.less, found.at_least))
    if not weighed:
        return None, ""
    against = min(1.0, len(weighed) * min(e.less for e in weighed))
    return Evidence(max(e.at_least for e in weighed), against), ""


def _named(contrast: Contrast, norm: str) -> Contrast:
    more, than = (norm if name == SELF else name for name in (contrast.more, contrast.than))
    return Contrast(more, than, contrast.holds)


def _verdict(row: Row, sample: Sample, norm: str, found: Evidence | None, corrected: float | None) -> Verdict:
    claim: Claim = claim_of(row.name, norm)
    if claim.reach and sample.text:
        right = sample.text != "itself" if claim.reach == NOT_ITSELF else sample.text == claim.reach
        return "supported" if right else "not supported"
    if found is None or corrected is None:
        # A norm that was run and can't be used there is no help there.
        helps = claim.contrasts and claim.contrasts[0].more == "none" and claim.contrasts[0].holds
        refused = sample.missing.startswith("failed") and helps
        return "not supported" if refused else "undecided"
    if corrected > 1 - LEVEL:
        return "undecided"
    return "supported" if found.at_least < found.less else "not supported"


def _standings(row: Row, samples: Mapping[str, Sample], norms: list[str]) -> dict[str, Standing]:
    """Compare every norm with none, in both directions and for being alike."""
    if row.lower_is_better is None:
        return dict.fromkeys(norms, "undecided")
    candidates: dict[str, tuple[float, Standing]] = {}
    for norm in norms:
        excess = differences(samples, norm, "none")
        above = _weigh(row, excess, row.smallest_effect)
        below = _weigh(row, [-d for d in excess], row.smallest_effect)
        if above is None or below is None:
            continue
        higher: Standing = "worse" if row.lower_is_better else "better"
        lower: Standing = "better" if row.lower_is_better else "worse"
        alike = max(above.less, below.less)
        candidates[norm] = min((above.at_least, higher), (below.at_least, lower), (alike, "no different"))
    corrected = holm({norm: p for norm, (p, _) in candidates.items()})
    return {norm: candidates[norm][1] if corrected.get(norm, 1.0) <= 1 - LEVEL else "undecided" for norm in norms}
