"""Real networks: LRN swapped in AlexNet, GoogLeNet and ZFNet, restored, and exported to ONNX again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from localnorm import LRNSpec
from localnorm.torch import LocalResponseNorm, replace_lrn, restore_lrn
from onnx_interpreter import NETWORKS, Network, expected, network, ramp
from onnx_tools import native_nodes, torchs_own_warning

SPECS = {
    "bvlc_alexnet": LRNSpec.from_caffe(local_size=5, alpha=1e-4),
    "inception_v1": LRNSpec.from_caffe(local_size=5, alpha=1e-4),
    "zfnet512": LRNSpec.from_caffe(local_size=5, alpha=5e-4, k=2.0),
}


@pytest.fixture(scope="module", params=NETWORKS)
def drawn(request: pytest.FixtureRequest) -> tuple[str, Network]:
    """A network with random weights and without its softmax, which would flatten all differences."""
    model = network(request.param)
    model.draw_weights()
    model.probabilities = False
    return request.param, model


def _images() -> Tensor:
    """Pixels from 0 to 255, as these networks take them: small numbers would leave LRN nothing to do."""
    generator = torch.Generator().manual_seed(0)
    return 255 * torch.rand(2, 3, 224, 224, generator=generator)


def _difference(a: Tensor, b: Tensor) -> float:
    """Return the largest difference as a part of the largest output."""
    return ((a - b).abs().max() / b.abs().max()).item()


@pytest.mark.parametrize("name", NETWORKS)
def test_the_outputs_that_onnx_expects(name: str):
    model = network(name)
    with torch.inference_mode():
        for swap in (None, replace_lrn, restore_lrn):
            assert swap is None or len(swap(model)) == 2
            # The tolerance of onnx's own test.
            torch.testing.assert_close(model(ramp()), expected(name), rtol=1e-3, atol=1e-7)


def test_swapped_and_restored(drawn: tuple[str, Network]):
    name, model = drawn
    x = _images()
    originals = [layer for layer in model.layers if isinstance(layer, nn.LocalResponseNorm)]
    with torch.inference_mode():
        before = model(x)
        report = replace_lrn(model)
        assert [layer.kind for layer in report] == ["LocalResponseNorm"] * 2
        for layer in report:
            assert type(model.get_submodule(layer.name)) is LocalResponseNorm
            # The file keeps alpha in float32.
            assert layer.spec.alpha == pytest.approx(SPECS[name].alpha, rel=1e-7)
            assert (layer.spec.lo, layer.spec.hi, layer.spec.k) == (2, 2, SPECS[name].k)
        after = model(x)
        restore_lrn(model)
        again = model(x)
    assert [layer for layer in model.layers if isinstance(layer, nn.LocalResponseNorm)] == originals
    assert _difference(after, before) < 1e-5
    assert torch.equal(again, before)


def test_lrn_matters_here(drawn: tuple[str, Network]):
    """Otherwise the test above would compare nothing."""
    _, model = drawn
    x = _images()
    with torch.inference_mode():
        before = model(x)
        norms = [layer for layer in model.layers if isinstance(layer, nn.LocalResponseNorm)]
        kept = [norm.alpha for norm in norms]
        for norm in norms:
            norm.alpha *= 1.01
        one_percent = model(x)
        for norm, alpha in zip(norms, kept, strict=True):
            norm.alpha = alpha
    assert _difference(one_percent, before) > 1e-4


@torchs_own_warning
def test_exported_again(drawn: tuple[str, Network], tmp_path: Path):
    _, model = drawn
    x = _images()
    with torch.inference_mode():
        before = model(x)
    replace_lrn(model)
    shapes = ({0: torch.export.Dim.DYNAMIC},)
    program = torch.onnx.export(model, (x,), dynamo=True, dynamic_shapes=shapes, verbose=False)
    restore_lrn(model)
    path = tmp_path / "network.onnx"
    program.save(path, external_data=True)
    written = onnx.load(path, load_external_data=False)
    assert len(native_nodes(written)) == 2
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for batch in (x, x[:1]):
        (y,) = session.run(None, {session.get_inputs()[0].name: batch.numpy()})
        # The sums of the convolutions are taken in another order there.
        assert _difference(torch.from_numpy(np.asarray(y)), before[: len(batch)]) < 1e-4
