"""GDN and learned LRN in torch state files, by the names and shapes of their tensors; pickles are never run."""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from localnorm.errors import MissingExtraError, ModelFileError
from localnorm.inspection.gdn import FORMULAS, from_compressai, gdn_reading
from localnorm.inspection.layer import Inspected, NormLayer
from localnorm.legacy.readings import Array

_PARTS = ("pedestal", "lower_bound.bound")
_REPARAM = tuple(f"{which}_reparam.{part}" for which in ("beta", "gamma") for part in _PARTS)
_LEARNED = ("log_k", "log_alpha", "log_beta")
State = dict[str, Any]


def inspect_torch_state(path: Path) -> Inspected:
    """Return GDN and learned LRN of a file of ``torch.save(model.state_dict(), ...)``.

    Raises:
        ModelFileError: damaged, pickled objects other than tensors, or a GDN that lacks tensors (a ValueError).
        MissingExtraError: torch is not installed (an ImportError).
    """
    try:
        import torch
    except ImportError as problem:
        raise MissingExtraError(
            "reading a torch state needs torch, which is not installed; install it with: pip install torch"
        ) from problem
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as problem:
        named = re.search(r"GLOBAL:? (\S+)", str(problem))
        reason = f"pickled Python objects such as {named[1]}" if named else "pickled Python objects"
        raise ModelFileError(
            f"{path.name} must hold tensors alone, got {reason}, which can run any code and "
            "are never loaded; save model.state_dict(), or inspect package.module:function."
        ) from None
    except Exception as problem:  # noqa: BLE001  a damaged file raises what any of torch's readers raises
        reason = " ".join(str(problem).split())
        raise ModelFileError(
            f"{path.name} must be a readable torch file, got {reason}; copy or download it again."
        ) from None
    states = list(_states(loaded, ""))
    if not states:
        raise ModelFileError(f"{path.name} must hold named tensors, got {type(loaded).__name__} without any.")
    layers = [layer for prefix, state in states for layer in _layers(state, prefix, path.name)]
    remark = "an LRN with fixed values leaves no trace in a state; inspect the module: package.module:function"
    return Inspected("torch state", tuple(layers), None, (remark,))


def _states(value: object, prefix: str, depth: int = 0) -> Iterator[tuple[str, State]]:
    """Yield every dict that has tensors as values, with where it lies in the file."""
    if not isinstance(value, Mapping) or depth > 8:
        return
    tensors = {str(key): item for key, item in value.items() if hasattr(item, "shape")}
    if tensors:
        yield prefix, tensors
    for key, item in value.items():
        yield from _states(item, f"{prefix}{key}/", depth + 1)


def _layers(state: State, prefix: str, file: str) -> Iterator[NormLayer]:
    bases = dict.fromkeys(base for key in state for base in _bases(key))
    for base in bases:
        parts = {key.removeprefix(base): value for key, value in state.items() if key.startswith(base)}
        name = prefix + (base.rstrip(".") or "the model")
        if any(part in parts for part in _REPARAM) or _is_gdn_matrix(parts.get("gamma")):
            yield _gdn(parts, name, file)
        learned = [part for part in _LEARNED if part in parts]
        if learned:
            remark = (
                f"learned {', '.join(learned)}; the window and the values they start from are in the code alone"
            )
            yield NormLayer(name, "localnorm LocalResponseNorm", (), (remark,))


def _bases(key: str) -> Iterator[str]:
    """Yield the prefix of the layer that a tensor's name belongs to, if it is a name of GDN or LRN."""
    for part in ("gamma", *_REPARAM, *_LEARNED):
        if key == part or key.endswith(f".{part}"):
            yield key[: -len(part)]


def _is_gdn_matrix(gamma: Any) -> bool:  # noqa: ANN401  a tensor or None
    return gamma is not None and gamma.ndim == 2 and gamma.shape[0] == gamma.shape[1]


def _gdn(parts: State, name: str, file: str) -> NormLayer:
    """Return a GDN, of CompressAI if its buffers are there; which formula, no state says.

    Raises:
        ModelFileError: tensors are missing or have other shapes (a ValueError).
    """
    compressai = any(part in parts for part in _REPARAM)
    missing = [part for part in ("beta", "gamma", *(_REPARAM if compressai else ())) if part not in parts]
    if missing:
        raise ModelFileError(
            f"{file} must hold all tensors of the GDN {name}, got none called {', '.join(missing)}; "
            "save the whole state again."
        )
    beta, gamma = _numbers(parts["beta"]), _numbers(parts["gamma"])
    if beta.ndim != 1 or gamma.shape != (beta.size, beta.size):
        raise ModelFileError(
            f"{file} must hold beta (C,) and gamma (C, C) of the GDN {name}, got {beta.shape} and {gamma.shape}; "
            "this is no GDN's state."
        )
    head = "GDN with beta and gamma themselves"
    if not compressai:
        beta, gamma = np.maximum(beta, 1e-6), np.maximum(gamma, 0)  # as localnorm takes them, by default
    else:
        beta, gamma = (
            from_compressai(value, *(_numbers(parts[f"{which}_reparam.{part}"]) for part in _PARTS))
            for which, value in (("beta", beta), ("gamma", gamma))
        )
        head = "CompressAI's GDN"
    remark = "the state of GDN, GDN1 and their inverses is the same; the code that loads it decides"
    readings = tuple(gdn_reading(formula, beta, gamma) for formula in FORMULAS)
    return NormLayer(name, head, readings, (remark,), channels=beta.size)


def _numbers(tensor: Any) -> Array:  # noqa: ANN401
    array: Array = tensor.detach().double().numpy()
    return array
