"""Probes: measurements of the layers alone, without training."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import torch

from localnorm.lab.norms import find_norm
from localnorm.lab.probes.cost import probe_cost
from localnorm.lab.probes.flexibility import probe_flexibility
from localnorm.lab.probes.scope import probe_scope
from localnorm.lab.records.provenance import provenance
from localnorm.lab.records.record import Probe, Record

PROBES: Mapping[str, Callable[..., dict[str, Any]]] = MappingProxyType(
    {"scope": probe_scope, "cost": probe_cost, "flexibility": probe_flexibility}
)


def run_probe(probe: Probe) -> Record:
    """Measure the norms of one probe and return its record; an error is a record with its text.

    Args:
        probe: the measurement and its norms.

    Example:
        >>> run_probe(Probe("scope", ("none",))).results["none"]["reach"]
        'itself'
    """
    start = time.perf_counter()
    origin = {**provenance(), "threads": torch.get_num_threads()}
    try:
        results = PROBES[probe.name]([find_norm(name) for name in probe.norms], probe.device)
    except Exception as problem:  # noqa: BLE001  the study continues; the record holds the reason
        return Record(probe, "failed", f"{type(problem).__name__}: {problem}", provenance=origin)
    return Record(probe, "ok", "", results, {"wall_seconds": time.perf_counter() - start}, origin)
