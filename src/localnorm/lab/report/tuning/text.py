"""The results of a hyperparameter search as text for a terminal."""

from __future__ import annotations

from collections import Counter

from localnorm.lab.analysis.statistics import Estimate
from localnorm.lab.report.wording import counted, interval, listed, number, plain
from localnorm.lab.tuning.results import Candidate, Tuned

_STANDINGS = {
    "better": "{} is better",
    "worse": "{} is worse",
    "no different": "no different: less than the smallest effect apart",
    "undecided": "undecided",
}


def text(tuned: Tuned) -> str:
    """Return the best setting as a line of code, its test errors, and the importances."""
    tuning = tuned.tuning
    counts = Counter(record.status for _, record in tuned.trials)
    statuses = listed([f"{count} {status}" for status, count in counts.items()]) if counts else "none"
    lines = [
        f"{tuning.norm} on {tuning.task.name}: {counted(len(tuned.trials), 'trial')} of the search ({statuses})",
        "",
    ]
    best = tuned.best
    if best.setting is None:
        return "\n".join([*lines, "No setting has a result with every seed of the choice yet."])
    lines += [
        best.code,
        f"torch.optim.Adam(model.parameters(), lr={plain(best.setting.learning_rate)})",
        "",
        f"Test error, {tuning.task.unit}, {counted(tuning.seeds, 'seed')} not used in the choice",
        *(_line(candidate) for candidate in tuned.candidates.values()),
        "",
        f"Differences with the same seeds; smallest effect {plain(tuning.task.smallest_effect)}",
    ]
    for found in tuned.differences:
        name, result = f"{found.more} - {found.than}", _STANDINGS[found.standing].format(found.more)
        lines.append(f"  {name:<20} {_shown(found.estimate):<22} {result}")
    shares = {name: share for name, share in tuned.importance.items() if share is not None}
    ranked = sorted(shares, key=lambda name: -shares[name])
    importance = ", ".join(f"{name.replace('_', ' ')} {shares[name]:.2f}" for name in ranked)
    lines += ["", f"Importance: {importance or 'too few trials to tell'}", "[low, high] is a 95 % interval."]
    return "\n".join(lines)


def _line(candidate: Candidate) -> str:
    if candidate.setting is None:
        return f"  {candidate.name:<20} no setting has a result"
    values = [f"{name} {plain(value)}" for name, value in candidate.setting.settings] or ["defaults"]
    rate = plain(candidate.setting.learning_rate)
    return f"  {candidate.name:<20} {_shown(candidate.test):<22} lr {rate}, {', '.join(values)}"


def _shown(found: Estimate | None) -> str:
    return f"{number(found.value, 2)} {interval(found, 2)}" if found else "no result"
