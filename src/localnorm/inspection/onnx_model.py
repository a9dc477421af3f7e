"""LRN-like and GDN layers of ONNX files: LRN nodes and what runtimes make of them, and patterns of operations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from localnorm.errors import MissingExtraError, ModelFileError, SpecError
from localnorm.inspection.graph import Graph, Node, layer_of
from localnorm.inspection.layer import Inspected, NormLayer, as_typed, shown
from localnorm.legacy.readings import Array, Reading, reading
from localnorm.spec import LRNSpec

_DEFAULTS = {"alpha": 1e-4, "beta": 0.75, "bias": 1.0}
Proto = Any


def inspect_onnx(path: Path) -> Inspected:
    """Return the LRN and GDN of an ONNX model, of all its graphs.

    Raises:
        ModelFileError: no ONNX model (a ValueError).
        MissingExtraError: onnx is not installed (an ImportError).
    """
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ImportError as problem:
        raise MissingExtraError(
            "reading an ONNX file needs onnx, which is not installed; install it with: pip install onnx"
        ) from problem
    try:
        model = onnx.load_model(path, load_external_data=False)
    except (DecodeError, ValueError, OSError) as problem:
        raise ModelFileError(f"{path.name} must be an ONNX model, got {problem}; export it again.") from None
    if not model.graph.node and not model.functions:
        raise ModelFileError(f"{path.name} must be an ONNX model with nodes, got none; export it again.")
    nodes = [node for graph in _graphs(model) for node in graph.node]
    layers = [_lrn(node) for node in nodes if node.op_type == "LRN" and not node.domain]
    try:
        layers += map(layer_of, _graph(model).matches())
    except (ValueError, TypeError, KeyError, IndexError) as problem:
        raise ModelFileError(
            f"{path.name} must be a valid ONNX model, got {type(problem).__name__}: {problem}; check it by "
            "onnx.checker.check_model."
        ) from None
    versions = {one.domain or "ai.onnx": one.version for one in model.opset_import}
    return Inspected(f"ONNX model, opset {versions.get('ai.onnx', '?')}", tuple(layers), len(nodes))


def _graphs(model: Proto) -> Iterator[Proto]:
    """Yield the graph of a model, its functions, and the graphs in the attributes of their nodes."""
    waiting = [model.graph, *model.functions]
    while waiting:
        current = waiting.pop()
        yield current
        for node in current.node:
            for attribute in node.attribute:
                waiting += [attribute.g] if attribute.HasField("g") else list(attribute.graphs)


def _lrn(node: Proto) -> NormLayer:
    """Return an LRN node with what OpenVINO reads otherwise."""
    from onnx.helper import get_attribute_value

    given = {a.name: get_attribute_value(a) for a in node.attribute}
    name = node.name or (node.output[0] if node.output else "LRN")
    values = {**_DEFAULTS, **{key: as_typed(value) for key, value in given.items()}}
    head = shown("LRN", values)
    try:
        readings: tuple[Reading, ...] = (reading("onnx", LRNSpec.from_onnx(**values), 1),)
    except (SpecError, ValueError) as problem:
        return NormLayer(name, head, (), (f"can't be read: {problem}",))
    size, bias = values["size"], values["bias"]
    remarks = []
    if size % 2 == 0:
        remarks.append(
            f"warning: runtimes differ on the even size {size}: ONNX puts the extra channel above, onnxruntime "
            "and OpenCV refuse it, OpenVINO sums one channel fewer; use an odd size"
        )
    if bias != int(bias):
        remarks.append(f"warning: OpenVINO's CPU plugin cuts bias={bias} down to {int(bias)}")
    if remarks:
        reach = (size - 1) // 2
        exact: LRNSpec = LRNSpec.from_onnx(**values)
        if int(bias) or exact.alpha:
            readings += (reading("openvino", LRNSpec(reach, reach, exact.alpha, exact.beta, int(bias)), 1),)
    return NormLayer(name, head, readings, tuple(remarks))


def _graph(model: Proto) -> Graph:
    """Return all operations of a model in one graph; names are unique across nested graphs."""
    from onnx import numpy_helper
    from onnx.helper import get_attribute_value

    nodes: dict[str, Node] = {}
    tensors: dict[str, Proto] = {}

    def constant(name: str) -> Array | None:
        tensor = tensors.get(name)
        return None if tensor is None or tensor.external_data else numpy_helper.to_array(tensor)

    for graph in _graphs(model):
        tensors.update((tensor.name, tensor) for tensor in getattr(graph, "initializer", ()))
        for node in graph.node:
            attributes = {a.name: get_attribute_value(a) for a in node.attribute}
            if node.op_type == "Constant":
                tensors[node.output[0]] = attributes.get("value")
            for output in node.output:
                nodes[output] = _node(node, attributes, constant)
    return Graph(nodes, constant)


def _node(node: Proto, attributes: dict[str, Any], constant: Callable[[str], Array | None]) -> Node:
    operation = node.op_type.lower()
    values: dict[str, Any] = {}
    inputs = tuple(node.input)
    if operation in ("averagepool", "conv") and "kernel_shape" in attributes:
        values["kernel"] = tuple(attributes["kernel_shape"])
    if operation == "pad":
        pads = constant(inputs[1]) if len(inputs) > 1 else np.array(attributes.get("pads", ()))
        values["pads"] = _window(pads)
    if operation == "if":
        inner = [one for one in attributes["then_branch"].node if one.op_type != "Constant"]
        inputs = tuple(inner[0].input[:1]) if inner else ()
    return Node(operation, inputs, node.name or (node.output[0] if node.output else operation), values)


def _window(pads: Array | None) -> tuple[int, int] | None:
    """Return the only axis's padding before and after, None unless exactly one axis is padded."""
    if pads is None or not pads.size or pads.size % 2:
        return None
    before, after = pads.reshape(2, -1).astype(int)
    padded = [(int(lo), int(hi)) for lo, hi in zip(before, after, strict=True) if lo or hi]
    return padded[0] if len(padded) == 1 else None
