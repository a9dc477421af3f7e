"""localnorm convert: its output and its error messages."""

from __future__ import annotations

import numpy as np
import pytest
from typer.testing import CliRunner

from convention_table import TABLE
from localnorm import LRNSpec
from localnorm.commands import app


def _run(line: str):
    return CliRunner().invoke(app, ["convert", *line.split()])


def test_prints_a_line_to_paste_and_why():
    result = _run("--from caffe --to tensorflow local_size=5 alpha=1e-4")
    assert (result.exit_code, result.stderr) == (0, "")
    code, empty, *why = result.stdout.splitlines()
    assert code == "tf.nn.local_response_normalization(x, depth_radius=2, bias=1.0, alpha=2e-05, beta=0.75)"
    assert empty == ""
    assert (
        why
        == """\
window  [c-2, c+2]: in caffe, local_size=5 (the size is odd and the window symmetric); \
in tensorflow, depth_radius=2 (the window reaches the radius to both sides)
alpha   2e-05 times the sum of squares: in caffe, alpha=0.0001, divided by 5; \
in tensorflow, alpha=2e-05, taken as it is
k       in caffe, k=1.0; in tensorflow, bias=1.0
note    caffe: with WITHIN_CHANNEL its CPU code uses 1 in place of k; this row uses k, as its cuDNN code does
note    tensorflow: the CUDA kernel needs a depth_radius from 1 to 7, bias >= 1e-5 and beta >= 0.01
source  caffe: LRNParameter in caffe.proto and src/caffe/layers/lrn_layer.cpp
source  tensorflow: tf.nn.local_response_normalization in tensorflow/core/kernels/lrn_op.cc
""".splitlines()
    )


CODE = {
    "--from paper --to caffe": (
        "lrn_param { local_size: 5 alpha: 0.0005 beta: 0.75 k: 2.0 norm_region: ACROSS_CHANNELS }"
    ),
    "--from torch --to paddle size=4": (
        "paddle.nn.functional.local_response_norm(x, size=4, alpha=0.0001, beta=0.75, k=1.0)"
    ),
    "--from caffe --to openvino local_size=3 alpha=5e-5 norm_region=WITHIN_CHANNEL": (
        "openvino.opset1.lrn(x, axes=(2, 3), alpha=5e-05, beta=0.75, bias=1.0, size=3)"
    ),
    "--from openvino --to ncnn axes=2,3 size=3": "LRN norm 1 1 x y 0=1 1=3 2=1.0 3=0.5 4=1.0",
    "--from opencv --to matconvnet alpha=0.5 norm_by_size=false": "vl_nnnormalize(x, [5 1.0 0.5 0.75])",
    "--from tensorflow --to cudnn depth_radius=2": "cudnnSetLRNDescriptor(normDesc, 5, 5.0, 0.5, 1.0);",
    "--from paper --to paper n=4": "n=5, k=2.0, alpha=0.0001, beta=0.75",
}


@pytest.mark.parametrize("line", CODE)
def test_line_of_code(line: str):
    result = _run(line)
    assert (result.exit_code, result.stdout.splitlines()[0]) == (0, CODE[line])


OURS = {
    "--from caffe --to keras alpha=1e-4": (
        "from localnorm.keras import LocalResponseNormalization\n\n"
        "layer = LocalResponseNormalization(n=5, k=1.0, alpha=2e-05, beta=0.75, axis=-1)"
    ),
    "--from torch --to Keras size=4": (
        "from localnorm import LRNSpec\nfrom localnorm.keras import LocalResponseNormalization\n\n"
        "layer = LocalResponseNormalization.from_spec("
        "LRNSpec(lo=2, hi=1, alpha=2.5e-05, beta=0.75, k=1.0), axis=-1)"
    ),
    "--from paper --to jax": (
        "from localnorm import LRNSpec\nfrom localnorm.jax import local_response_norm\n\n"
        "y = local_response_norm(x, LRNSpec(lo=2, hi=2, alpha=0.0001, beta=0.75, k=2.0), axis=-1)"
    ),
    "--from paper --to flax": (
        "from localnorm import LRNSpec\nfrom localnorm.jax import LocalResponseNorm\n\n"
        "layer = LocalResponseNorm(LRNSpec(lo=2, hi=2, alpha=0.0001, beta=0.75, k=2.0), axis=-1)"
    ),
    "--from caffe --to numpy norm_region=WITHIN_CHANNEL": (
        "from localnorm import LRNSpec\nfrom localnorm.numpy import local_response_norm\n\n"
        "y = local_response_norm(x, LRNSpec(lo=2, hi=2, alpha=0.04, beta=0.75, k=1.0, spatial=2), axis=1)"
    ),
}


@pytest.mark.parametrize("line", OURS)
def test_a_framework_without_lrn_gets_code_that_runs_with_ours(line: str):
    result = _run(line)
    code, _, why = result.stdout.partition("\n\nwindow  ")
    assert (result.exit_code, code) == (0, OURS[line])
    assert why.endswith("axis    the channel axis: -1 for channels last, 1 for channels first\n")
    exec(code, {"x": np.ones((2, 9, 8, 9), np.float32)})  # noqa: S102  the line that is printed


def test_an_alias_is_taken():
    assert _run("--from PyTorch --to tf size=5").stdout == _run("--from torch --to tensorflow size=5").stdout


@pytest.mark.parametrize("name", TABLE)
def test_every_framework_has_a_line_that_holds_its_numbers(name: str):
    result = _run(f"--from paper --to {name} n=5 k=3 alpha=0.2 beta=0.6")
    assert result.exit_code == 0
    code, *why = result.stdout.splitlines()
    values = LRNSpec(2, 2, 0.2, 0.6, 3.0).to_framework(name)
    assert all(str(value) in code for value in values.values() if not isinstance(value, str))
    assert why[-1].startswith(f"source  {name}: ")


def test_names_and_region_are_explained():
    lines = _run("--from cuda_convnet2 --to ncnn size=3 scale=0.9 pow=0.5 type=rnorm").stdout.splitlines()
    assert lines[4:7] == [
        "beta    in cuda_convnet2, pow=0.5; in ncnn, beta=0.5",
        "k       in cuda_convnet2, minDiv=1.0; in ncnn, bias=1.0",
        "region  within each channel, over 2 spatial axes: in cuda_convnet2, type='rnorm'; in ncnn, region_type=1",
    ]
    assert "in cuda_convnet2, scale=0.9, divided by 9; in ncnn, alpha=0.9, divided by 9" in lines[3]
    lines = _run("--from opencv --to opencv alpha=0.5 norm_by_size=false").stdout.splitlines()
    assert lines[0] == "local_size=5, alpha=2.5, beta=0.75, bias=1.0"


def test_list():
    result = _run("--list")
    assert result.exit_code == 0
    lines = dict(line.split(maxsplit=1) for line in result.stdout.splitlines())
    assert list(lines) == [*TABLE, "openvino_grn"]
    assert lines["torch"] == "size, alpha=0.0001, beta=0.75, k=1.0"
    assert lines["ncnn"] == "region_type=0, local_size=5, alpha=1.0, beta=0.75, bias=1.0"
    assert lines["tflite"] == "radius, bias, alpha, beta"


REFUSED = {
    "--from torch --to onnx size=4": "onnx can't express the window [c-2, c+1]: an even size has its extra",
    "--from caffe --to tensorflow local_size=4": "local_size must be odd in caffe, got 4; use 5.",
    "--from cafe --to tensorflow": "--from must be one of the conventions, got 'cafe'; did you mean caffe? There",
    "--from caffe": "--to must be given, got nothing; pass --to caffe, for example.",
    "--to caffe": "--from must be given, got nothing",
    "": "--from must be given, got nothing",
    "--from caffe --to onnx local_size": "an argument must be NAME=VALUE, got 'local_size'; write",
    "--from caffe --to onnx =5": "an argument must be NAME=VALUE, got '=5'",
    "--from caffe --to onnx alpha=": "an argument must be NAME=VALUE, got 'alpha='",
    "--from caffe --to onnx alpha=1 alpha=2": "an argument must be given once, got alpha twice; leave one out.",
    "--from caffe --to onnx size=5": "error: caffe takes local_size, alpha, beta, k, norm_region, got size; did",
    "--from caffe --to onnx alpha=much": "alpha must be a real number, got 'much' of type str",
    "--from caffe --to onnx alpha=nan": "alpha must be finite, got nan",
    "--from caffe --to onnx beta=-inf": "beta must be",
    "--from keras --to caffe": "got 'keras'; pass the one whose arguments you have, which is paper",
    "--from torch --to onnx alpha=1": "error: torch needs size, which has no default there; pass it, e.g. size=5.",
}


@pytest.mark.parametrize("line", REFUSED)
def test_bad_input_ends_with_2_and_the_error(line: str):
    result = _run(line)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("error: ")
    assert REFUSED[line] in result.stderr
