"""The networks with LRN that ship inside the onnx package, read into torch modules.

They are BVLC AlexNet, Inception v1 (GoogLeNet) and ZFNet-512 of the ONNX model zoo with a constant in the place of
every weight, and the output that is expected of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import NodeProto, numpy_helper
from onnx.helper import get_attribute_value
from torch import Tensor, nn
from torch.nn import functional

FOLDER = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
NETWORKS = ("bvlc_alexnet", "inception_v1", "zfnet512")
Attributes = Mapping[str, Any]
Constants = Mapping[str, Tensor]


class _Pool(nn.Module):
    """Maxima or means over boxes, with borders of any widths that count for neither."""

    def __init__(self, operation: str, attributes: Attributes):
        super().__init__()
        self.operation = operation
        self.size, self.stride = attributes["kernel_shape"], attributes["strides"]
        top, left, bottom, right = attributes["pads"]
        self.borders = [left, right, top, bottom]

    def forward(self, x: Tensor) -> Tensor:
        if self.operation == "MaxPool":
            padded = functional.pad(x, self.borders, value=-torch.inf)
            return functional.max_pool2d(padded, self.size, self.stride)
        means, parts = (
            functional.avg_pool2d(functional.pad(values, self.borders), self.size, self.stride)
            for values in (x, torch.ones_like(x))
        )
        return means / parts


class _Concat(nn.Module):
    def forward(self, *parts: Tensor) -> Tensor:
        return torch.cat(parts, 1)


def _conv(a: Attributes, weight: Tensor, bias: Tensor) -> nn.Module:
    top, left, bottom, right = a["pads"]
    assert (top, left) == (bottom, right)
    groups = a.get("group", 1)
    layer = nn.Conv2d(
        groups * weight.shape[1], len(weight), a["kernel_shape"], a["strides"], (top, left), 1, groups
    )
    layer.load_state_dict({"weight": weight, "bias": bias})
    return layer


def _gemm(a: Attributes, weight: Tensor, bias: Tensor) -> nn.Module:
    assert a == {"transB": 1}
    layer = nn.Linear(weight.shape[1], len(weight))
    layer.load_state_dict({"weight": weight, "bias": bias})
    return layer


def _reshape(_: Attributes, shape: Tensor) -> nn.Module:
    """Every one of them flattens, by 0 and -1 or by numbers for a batch of 1; here for any batch."""
    assert len(shape) == 2
    return nn.Flatten()


MAKERS: dict[str, Callable[..., nn.Module]] = {
    "AveragePool": lambda a: _Pool("AveragePool", a),
    "Concat": lambda _: _Concat(),
    "Conv": _conv,
    "Dropout": lambda a: nn.Dropout(a["ratio"]),
    "Gemm": _gemm,
    # Of an odd size; the extra channel of an even one would lie above in ONNX and below in torch.
    "LRN": lambda a: nn.LocalResponseNorm(a["size"], a["alpha"], a["beta"], a["bias"]),
    "MaxPool": lambda a: _Pool("MaxPool", a),
    "Relu": lambda _: nn.ReLU(),
    "Reshape": _reshape,
    "Softmax": lambda _: nn.Softmax(1),
}


class Network(nn.Module):
    """A graph of ONNX, one layer a node; `probabilities` says whether to go on to the softmax at its end."""

    def __init__(self, model: onnx.ModelProto):
        super().__init__()
        constants = {t.name: torch.from_numpy(np.array(numpy_helper.to_array(t))) for t in model.graph.initializer}
        (self.input,) = (i.name for i in model.graph.input if i.name not in constants)
        self.layers, self.steps = nn.ModuleList(), []
        for node in model.graph.node:
            attributes = {a.name: get_attribute_value(a) for a in node.attribute}
            if node.op_type == "ConstantOfShape":
                shape = constants[node.input[0]].tolist()
                constants[node.output[0]] = torch.full(shape, numpy_helper.to_array(attributes["value"]).item())
            elif node.op_type == "Reshape" and node.input[0] in constants:
                data, shape = (constants[name] for name in node.input)
                constants[node.output[0]] = data.reshape(shape.tolist())
            else:
                self._add(node, attributes, constants)
        self.probabilities = True

    def _add(self, node: NodeProto, attributes: Attributes, constants: Constants) -> None:
        fixed = [constants[name] for name in node.input if name in constants]
        self.layers.append(MAKERS[node.op_type](attributes, *fixed))
        self.steps.append(([name for name in node.input if name not in constants], node.output[0]))

    def forward(self, x: Tensor) -> Tensor:
        values = {self.input: x}
        for layer, (inputs, output) in zip(self.layers, self.steps, strict=True):
            if self.probabilities or not isinstance(layer, nn.Softmax):
                x = values[output] = layer(*(values[name] for name in inputs))
        return x

    def draw_weights(self) -> None:
        """Give each layer weights as they are before training; constant ones hide whatever LRN does."""
        torch.manual_seed(0)
        for layer in self.layers:
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.uniform_(layer.bias, -0.1, 0.1)


def network(name: str) -> Network:
    """Return a network of the onnx package, ready for inference."""
    return Network(onnx.load(FOLDER / f"light_{name}.onnx")).eval()


def expected(name: str) -> Tensor:
    """Return its output for `ramp()`, as it is kept in the onnx package."""
    stored = onnx.load_tensor(FOLDER / f"light_{name}_output_0.pb")
    return torch.from_numpy(np.array(numpy_helper.to_array(stored)))


def ramp() -> Tensor:
    """Return the input that onnx's own test of these models makes."""
    return (torch.arange(3 * 224 * 224, dtype=torch.float64) / (3 * 224 * 224)).float().reshape(1, 3, 224, 224)
