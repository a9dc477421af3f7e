"""LRN-like and GDN layers of torch.export's ``.pt2`` files, by their JSON: torch.export.load may unpickle."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from localnorm.errors import ModelFileError
from localnorm.inspection.graph import Graph, Node, layer_of
from localnorm.inspection.layer import Inspected, NormLayer
from localnorm.legacy.archive import opened, read_json
from localnorm.legacy.keras_config import is_norm

_MODEL = re.compile(r"(^|/)(models/[^/]+\.json|serialized_exported_program\.json)$")
_ROOT = "the model"
_NAMES = {
    "view": "reshape",
    "reshape": "reshape",
    "squeeze": "squeeze",
    "unsqueeze": "unsqueeze",
    "to": "cast",
    "_to_copy": "cast",
    "constant_pad_nd": "pad",
    "avg_pool2d": "averagepool",
    "avg_pool3d": "averagepool",
    "conv2d": "conv",
    "convolution": "conv",
}
"""ATen's names of the operations that patterns are made of, where they differ."""


def is_exported_program(names: list[str]) -> bool:
    """Return whether an archive with members of these names is a ``.pt2`` file.

    Example:
        >>> is_exported_program(["net/models/model.json", "net/archive_format"])
        True
    """
    return any(_MODEL.search(name) for name in names)


def inspect_exported_program(path: Path) -> Inspected:
    """Return the LRN and GDN of a ``.pt2`` file.

    Raises:
        ModelFileError: damaged, or of a format that has no graph (a ValueError).
    """
    with opened(path) as archive:
        members = [name for name in archive.namelist() if _MODEL.search(name)]
        programs = [read_json(archive, member, path.name) for member in members]
    layers: list[NormLayer] = []
    total, version = 0, "?"
    for program in programs:
        try:
            graph = program["graph_module"]["graph"]
            nodes = [(_node(node), node) for node in graph["nodes"]]
        except (KeyError, TypeError, AttributeError, IndexError) as problem:
            raise ModelFileError(
                f"{path.name} must hold a graph of torch.export, got none ({type(problem).__name__}: {problem}); "
                "export it with another release of torch."
            ) from None
        version = program.get("torch_version", version)
        total += len(nodes)
        layers += _layers(nodes)
    return Inspected(f"program exported by torch {version}", tuple(layers), total)


def _layers(nodes: list[tuple[Node, Any]]) -> list[NormLayer]:
    """Return matched patterns under the names of their modules, and modules named after LRN or GDN without one."""
    modules = {node.name: _modules(raw) for node, raw in nodes}
    graph = Graph({node.name: node for node, _ in nodes}, lambda _: None)
    layers, matched = [], set()
    for match in graph.matches():
        path, kind = next(reversed(modules[match.node.name].items()), ("", ""))
        matched.add(path)
        layer = layer_of(match, path)
        layers.append(NormLayer(layer.name, f"{kind or 'function'}: {layer.shown}", layer.readings, layer.remarks))
    remark = "its operations are no pattern that is known; inspect its module for its values"
    named = {path: kind for stack in modules.values() for path, kind in stack.items() if is_norm(kind)}
    # A model whose name mentions LRN, with LRN layers in it, is none itself.
    outer = {path for path in named for inner in (*named, *matched) if _holds(path, inner)}
    layers += [
        NormLayer(path, kind, (), (remark,)) for path, kind in named.items() if path not in {*matched, *outer}
    ]
    return layers


def _holds(outer: str, inner: str) -> bool:
    return inner != outer and (outer == _ROOT or inner.startswith(f"{outer}."))


def _modules(raw: Mapping[str, Any]) -> dict[str, str]:
    """Return path and class of the modules that a node is in, outer ones first."""
    stack = str(raw.get("metadata", {}).get("nn_module_stack", ""))
    entries = [entry.split(",") for entry in stack.split(";")]
    return {entry[1] or _ROOT: entry[2].rpartition(".")[2] for entry in entries if len(entry) == 3}


def _node(raw: Mapping[str, Any]) -> Node:
    """Return an operation from its JSON."""
    target = str(raw["target"]).split(".")
    operation = target[3] if target[:3] == ["torch", "ops", "aten"] else raw["target"]
    operation = _NAMES.get(operation, operation.lower())
    arguments = [(one.get("name"), next(iter(one["arg"].items()))) for one in raw["inputs"]]
    inputs = tuple(
        value["name"] if kind == "as_tensor" else float(value)
        for _, (kind, value) in arguments
        if kind in ("as_tensor", "as_float", "as_int")
    )
    lists = {name: value for name, (kind, value) in arguments if kind == "as_ints"}
    values: dict[str, Any] = {}
    if operation == "averagepool":
        values["kernel"] = tuple(lists.get("kernel_size", ()))
    if operation == "pad":
        pads = lists.get("pad", [])
        padded = [pair for pair in zip(pads[::2], pads[1::2], strict=False) if any(pair)]
        values["pads"] = padded[0] if len(padded) == 1 else None
    outputs = raw["outputs"]
    name = outputs[0]["as_tensor"]["name"] if outputs and "as_tensor" in outputs[0] else str(raw.get("name", ""))
    return Node(operation, inputs[:3], name, values)
