"""The transformer: computed by hand, and what each norm is over inside it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import gelu, layer_norm

from localnorm.lab.models.transformer import Transformer
from localnorm.lab.norms import find_norm
from localnorm.lab.records.record import Trial
from localnorm.lab.tasks import find_task
from localnorm.lab.training.trial import run_trial

pytestmark = pytest.mark.usefixtures("one_thread")


def _tokens(count: int = 3) -> Tensor:
    return torch.randn(count, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def _by_hand(model: Transformer, x: Tensor, normalize, heads: int = 4) -> Tensor:
    """Compute the scores of one sample token by token, head by head."""
    block, width = model.blocks[0], model.embed.out_features
    size = width // heads
    tokens = [model.embed(token) + place for token, place in zip(x, model.place, strict=True)]
    weight, bias = block.attention.in_proj_weight, block.attention.in_proj_bias
    projected = [weight @ normalize(token) + bias for token in tokens]
    read = []
    for here in projected:
        mixed = []
        for head in range(heads):
            starts = range(head * size, 3 * width, width)
            query, key, value = (slice(start, start + size) for start in starts)
            scores = torch.stack([here[query] @ there[key] / size**0.5 for there in projected])
            attention = scores.softmax(0)
            mixed.append(sum(a * there[value] for a, there in zip(attention, projected, strict=True)))
        read.append(block.attention.out_proj(torch.cat(mixed)))
    tokens = [token + more for token, more in zip(tokens, read, strict=True)]
    tokens = [token + block.mlp[2](gelu(block.mlp[0](normalize(token)))) for token in tokens]
    return model.classify(torch.stack([normalize(token) for token in tokens]).mean(0))


@pytest.mark.parametrize("norm", ["user_norms:scaled", "layer", "torch.nn:LayerNorm"])
def test_the_block_by_hand(norm: str):
    torch.manual_seed(0)
    model = Transformer(find_norm(norm).builder(0)).double()
    normalize = (lambda token: token / 2) if "scaled" in norm else (lambda token: layer_norm(token, token.shape))
    x = _tokens()
    expected = torch.stack([_by_hand(model, sample, normalize) for sample in x])
    # The same products in another order.
    torch.testing.assert_close(model(x), expected, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(model.eval()(x), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("norm", "alone"), [("local", True), ("group", True), ("rms", True), ("batch", False)])
def test_only_batch_normalization_looks_at_other_digits(norm: str, alone: bool):
    torch.manual_seed(0)
    model = Transformer(find_norm(norm).builder(0))
    x = _tokens(8).float()
    # The rounding of float32, of scores near 1: a matrix product of other height may add in another order.
    assert torch.allclose(model(x)[2:3], model(x[2:3]), rtol=0, atol=1e-5) is alone


def test_batch_normalization_is_over_all_tokens_of_the_mini_batch():
    model = Transformer(find_norm("batch").builder(0)).double()
    first = model.blocks[0].before_attention
    y = first(torch.randn(5, 8, 32, dtype=torch.float64))
    torch.testing.assert_close(y.mean((0, 1)), torch.zeros(32, dtype=torch.float64), rtol=0, atol=1e-12)
    # eps of 1e-5 beside a variance near 1.
    torch.testing.assert_close(y.var((0, 1), correction=0), torch.ones(32, dtype=torch.float64), rtol=1e-4, atol=0)


def test_the_order_of_the_rows_counts():
    torch.manual_seed(0)
    model = Transformer(find_norm("layer").builder(0)).double()
    x = _tokens()
    assert not torch.allclose(model(x), model(x.flip(1)))
    model.place.data.zero_()
    torch.testing.assert_close(model(x), model(x.flip(1)), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("norm", "more"), [("none", 0), ("local", 0), ("batch", 2), ("rms", 1)])
def test_parameters(norm: str, more: int):
    attention = (32 + 1) * 3 * 32 + (32 + 1) * 32
    mlp = (32 + 1) * 128 + (128 + 1) * 32
    everything = (8 + 1) * 32 + 8 * 32 + attention + mlp + (32 + 1) * 10
    model = find_task("digit-tokens").build(find_norm(norm).builder(0))
    assert sum(p.numel() for p in model.parameters()) == everything + more * 3 * 32


def test_it_learns_the_digits_and_instance_normalization_has_no_positions():
    record = run_trial(Trial("digit-tokens", "transformer", "batch", 0, 3e-3, 32, 4, judged=True))
    assert record.status == "ok"
    # 5 to 10 over five seeds; guessing has 90.
    assert record.results["test_error"] < 25
    refused = run_trial(Trial("digit-tokens", "transformer", "instance", 0, 3e-3, 32, 1))
    assert refused.status == "failed"
    assert refused.message.startswith("LabError: instance normalization needs positions")
