"""Jobs of the lab (trials and probes), their keys, and their records as JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, Literal, get_args

from localnorm.errors import RecordError

RECORD_VERSION = 3
"""Increase this when a change alters what a trial measures. Records of different versions are never compared."""

Status = Literal["ok", "pruned", "diverged", "out of memory", "timed out", "failed"]
STATUSES: tuple[Status, ...] = get_args(Status)


@dataclass(frozen=True)
class Trial:
    """One model with one norm, one setting and one seed, trained on one task.

    Attributes:
        task: the name of the task.
        model: the name of the model.
        norm: the name of the norm.
        seed: of the data split, the initial weights, the order of the batches and the noise.
        learning_rate: of the optimizer, which the task names.
        batch_size: examples per training step.
        epochs: passes over the training data.
        settings: hyperparameters of the norm that differ from its defaults, sorted by name.
        judged: whether the trained model is tested. A trial of a pilot or a search sees no test data.
        corrupted: whether the test is repeated under the task's corruptions, which takes as long as training.
        features: whether a linear probe is fitted to the features behind the last norm.
        device: the kind of device trained on: cpu, cuda, mps or xpu.
        precision: 32, bf16-mixed or 16-mixed.
    """

    task: str
    model: str
    norm: str
    seed: int
    learning_rate: float
    batch_size: int
    epochs: int
    settings: tuple[tuple[str, float], ...] = ()
    judged: bool = False
    corrupted: bool = False
    features: bool = False
    device: str = "cpu"
    precision: str = "32"

    @cached_property
    def key(self) -> str:
        """The hash of the content, which names the record."""
        return _hash(self)


@dataclass(frozen=True)
class Probe:
    """A measurement of some norms that needs no training.

    Attributes:
        name: scope, cost or flexibility.
        norms: the norms measured, in order.
        device: the kind of device measured on.
    """

    name: str
    norms: tuple[str, ...]
    device: str = "cpu"

    @cached_property
    def key(self) -> str:
        """The hash of the content, which names the record."""
        return _hash(self)


Job = Trial | Probe
_KINDS: Mapping[str, type[Trial] | type[Probe]] = {"trial": Trial, "probe": Probe}


_LATER = {"device": "cpu", "precision": "32"}
"""Parts added without a new version: left out at their default, which is what older records were made with."""


def describe(job: Job) -> dict[str, Any]:
    """Return the job as plain JSON values, from which its key is computed."""
    kind = "trial" if isinstance(job, Trial) else "probe"
    # Not asdict, which copies recursively and takes longer than the hash.
    content = {
        "kind": kind,
        "record_version": RECORD_VERSION,
        **{part.name: getattr(job, part.name) for part in fields(job)},
    }
    for name, default in _LATER.items():
        if content.get(name) == default:
            del content[name]
    return content


def _hash(job: Job) -> str:
    text = json.dumps(describe(job), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def key(job: Job) -> str:
    """Return the hash of the job's content: the name of its record.

    Example:
        >>> key(Probe("scope", ("none",))) == key(Probe("scope", ("none",)))
        True
    """
    return job.key


@dataclass(frozen=True)
class Record:
    """The result of one job.

    Attributes:
        job: the trial or probe.
        status: ok, pruned (stopped early by a search), diverged, out of memory, timed out or failed.
        message: the reason, if the status is not ok.
        results: measured values, equal in every run of the job on one machine; empty if there are none.
        timing: wall and processor time in seconds, which differ between runs.
        provenance: versions, hardware, threads, commit.
    """

    job: Job
    status: Status
    message: str = ""
    results: Mapping[str, Any] = field(default_factory=dict)
    timing: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def content(self) -> dict[str, Any]:
        """Return the record as plain JSON values, with its key."""
        return {
            "key": key(self.job),
            "job": describe(self.job),
            "status": self.status,
            "message": self.message,
            "results": self.results,
            "timing": self.timing,
            "provenance": self.provenance,
        }

    def to_json(self) -> str:
        """Return the record as readable JSON."""
        content = self.content()
        return json.dumps({**content, "checksum": _checksum(content)}, indent=1, allow_nan=False) + "\n"


def _checksum(content: Mapping[str, Any]) -> str:
    """Return the hash of a record's content without the checksum itself."""
    rest = {name: part for name, part in content.items() if name != "checksum"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def why_refused(version: object) -> str:
    """Return why records of another version can't be compared with those of this one.

    Example:
        >>> why_refused(2)
        'since version 3 the test data, the choice of the learning rate and the statistics are other ones'
    """
    if isinstance(version, int) and version < RECORD_VERSION:
        return "since version 3 the test data, the choice of the learning rate and the statistics are other ones"
    return "records of two versions can't be compared"


def _tuples(value: Any) -> Any:  # noqa: ANN401  any JSON value
    """Turn JSON's lists into the tuples of the dataclasses."""
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


def from_content(content: Mapping[str, Any]) -> Record:
    """Build a record from parsed JSON, without validation.

    Raises:
        RecordError: another record version.
    """
    described = dict(content["job"])
    kind, version = described.pop("kind"), described.pop("record_version")
    if version != RECORD_VERSION:
        raise RecordError(
            f"a record must be of version {RECORD_VERSION}, got version {version}; {why_refused(version)}: use "
            "another output folder, or the localnorm that wrote it."
        )
    for part, value in described.items():
        if isinstance(value, list):
            described[part] = _tuples(value)
    job = _KINDS[kind](**described)
    return Record(
        job,
        content["status"],
        content["message"],
        content["results"],
        content["timing"],
        content["provenance"],
    )


def from_json(text: str, name: str) -> Record:
    """Read and validate a record.

    Args:
        text: the content of a record's file.
        name: the key in the file's name.

    Raises:
        RecordError: not JSON, a missing part, another record version, a key that is not the job's, or a checksum
            that does not match.
    """
    try:
        content = json.loads(text)
        record = from_content(content)
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        if isinstance(problem, RecordError):
            raise
        raise RecordError(f"a record must be complete JSON, got {type(problem).__name__}: {problem}.") from None
    if record.status not in STATUSES:
        raise RecordError(f"a record's status must be one of {', '.join(STATUSES)}, got {record.status!r}.")
    if (job_key := key(record.job)) != name:
        raise RecordError(f"a record must be named after its job, whose key is {job_key}, got {name}.")
    if content.get("checksum") != _checksum(content):
        raise RecordError(
            "a record's content must match its checksum, which it does not: it was changed after it was written; "
            "let localnorm compare run its job again."
        )
    return record
