"""Machine code: what torch's compiler and AOTInductor make of the layer, with a C++ compiler at hand."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from localnorm import LRNSpec, reference
from localnorm.torch import LocalResponseNorm
from tensors import random_tensor

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (shutil.which("g++") or shutil.which("clang++")), reason="needs a C++ compiler"),
    # torch's compiler warns of its own parts, differently from one version to the next.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

LAYER = LocalResponseNorm(4, alpha=0.7)


@pytest.mark.parametrize("learned", ["fixed", "shared", "a channel"])
def test_compiled_code_trains_as_the_layer_does(learned: str):
    """What is around the layer is fused around the operator, whose results lie where it was promised."""
    arguments = {"learnable": learned != "fixed", "per_channel": learned == "a channel", "num_channels": 9}
    layer = LocalResponseNorm(4, alpha=0.7, **arguments)
    torch.compiler.reset()
    compute = lambda x: layer(x.relu() + 0.5).square()  # noqa: E731
    compiled = torch.compile(compute, fullgraph=True)
    for batch in (3, 5):
        x = random_tensor(batch, 9, 5, 4, dtype=torch.float32).to(memory_format=torch.channels_last)
        x.requires_grad_()
        inputs, found = [x, *layer.parameters()], []
        for run in (compiled, compute):
            y = run(x)
            found.append([y, *torch.autograd.grad(y.sum(), inputs)])
        for got, want in zip(*found, strict=True):
            # The kernel gives both the same digits; what is fused around it, and sums, are rounded otherwise.
            torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-6 * want.abs().max().item())


@pytest.mark.parametrize("spec", [LAYER.spec, LRNSpec(1, 1, 0.7, 0.75, 1.5, spatial=2)], ids=["across", "within"])
def test_an_ahead_of_time_compiled_package(spec: LRNSpec, tmp_path: Path):
    """It holds machine code for plain operations, and so needs neither localnorm nor Python."""
    dynamic = ({0: torch.export.Dim("batch", min=2, max=64)},)
    example = random_tensor(3, 9, 5, 4, dtype=torch.float32)
    exported = torch.export.export(LocalResponseNorm.from_spec(spec), (example,), dynamic_shapes=dynamic)
    package = torch._inductor.aoti_compile_and_package(exported, package_path=str(tmp_path / "layer.pt2"))
    loaded = torch._inductor.aoti_load_package(package)
    for batch in (2, 7):
        x = random_tensor(batch, 9, 5, 4, dtype=torch.float32)
        want = reference.forward(x.double().numpy(), spec)
        # float64 inside, rounded once to float32: half an epsilon, and a little for float64.
        np.testing.assert_allclose(loaded(x).double().numpy(), want, rtol=2.0**-24 * 1.001)
