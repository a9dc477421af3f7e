"""What a tuning found, as text for a terminal."""

from __future__ import annotations

from collections import Counter

from localnorm.lab.report.wording import counted, interval, listed, number, plain
from localnorm.lab.tuning.results import Rival, Tuned

STANDINGS = {
    "better": "better by at least the smallest effect",
    "worse": "worse by at least the smallest effect",
    "not worse": "not worse by the smallest effect",
    "undecided": "undecided",
}


def text(tuned: Tuned) -> str:
    """Return the best setting as a line of code, what it is worth on test data, and the importances."""
    tuning = tuned.tuning
    counts = Counter(record.status for _, record in tuned.trials)
    seen = listed([f"{count} {status}" for status, count in counts.items()]) if counts else "none"
    lines = [
        f"{tuning.norm} on {tuning.task.name}: {counted(len(tuned.trials), 'trial')} of the search ({seen})",
        "",
    ]
    best = tuned.best
    if best.setting is None:
        return "\n".join([*lines, "No setting has ended well with every seed of the choice yet."])
    lines += [
        best.code,
        f"torch.optim.Adam(model.parameters(), lr={plain(best.setting.learning_rate)})",
        "",
        f"Test error, {tuning.task.unit}, {counted(tuning.seeds, 'seed')} that had no part in the choice",
        *(_line(rival) for rival in tuned.rivals.values()),
        "",
        f"Differences with the same seeds; smallest effect {plain(tuning.task.smallest_effect)}",
    ]
    for own in tuned.differences:
        shown = f"{number(own.estimate.value, 2)} {interval(own.estimate, 2)}" if own.estimate else "no result"
        lines.append(f"  {own.more + ' - ' + own.than:<20} {shown:<22} {own.more} is {STANDINGS[own.standing]}")
    shares = {name: share for name, share in tuned.importance.items() if share is not None}
    ranked = sorted(shares, key=lambda name: -shares[name])
    told = ", ".join(f"{name.replace('_', ' ')} {shares[name]:.2f}" for name in ranked)
    lines += ["", f"Importance: {told or 'too few trials to tell'}", "[low, high] is a 95 % interval."]
    return "\n".join(lines)


def _line(rival: Rival) -> str:
    if rival.setting is None:
        return f"  {rival.name:<20} no setting ended well"
    shown = f"{number(rival.test.value, 2)} {interval(rival.test, 2)}" if rival.test else "no result"
    values = [f"{name} {plain(value)}" for name, value in rival.setting.settings] or ["defaults"]
    return f"  {rival.name:<20} {shown:<22} lr {plain(rival.setting.learning_rate)}, {', '.join(values)}"
