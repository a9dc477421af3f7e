"""Style transfer: Gram matrices and losses by hand, crops that share no photograph, and what is reported."""

from __future__ import annotations

import base64
import io
import math
import socket
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from PIL import Image
from torch import Tensor, nn

from localnorm.errors import LabError
from localnorm.lab.engines.choice import EngineSetup
from localnorm.lab.models.stylizer import stylizer
from localnorm.lab.norms import find_norm
from localnorm.lab.records.record import Trial
from localnorm.lab.records.store import Store
from localnorm.lab.run.runner import run_jobs
from localnorm.lab.tasks import Subset, error, find_task
from localnorm.lab.tasks.encode import encode
from localnorm.lab.tasks.style import style
from localnorm.lab.tasks.style.gram import SIZES, filters, gram, grams, style_loss
from localnorm.lab.tasks.style.photographs import crops, photograph, vary_contrast
from localnorm.lab.training.trial import run_trial, train_epoch

pytestmark = pytest.mark.usefixtures("one_thread")

STYLE = find_task("style")


def _gravel() -> Tensor:
    return photograph(style.TEXTURE, 2)[None, None]


def test_the_gram_matrix_of_a_known_image():
    image = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]).view(1, 1, 2, 3)
    weights = torch.tensor([[1.0, 0.0], [-1.0, 1.0], [1.0, -1.0]]).view(3, 1, 1, 2)
    # At four places the filters see 1 2 4 5, then the rise to the right, 1 1 1 1, then its negative, cut to 0.
    left, rise = (1 + 4 + 16 + 25) / 4, 1.0
    both = (1 + 2 + 4 + 5) / 4
    expected = torch.tensor([[[left, both, 0.0], [both, rise, 0.0], [0.0, 0.0, 0.0]]])
    assert torch.equal(gram(image, weights), expected)


@pytest.mark.parametrize("size", SIZES)
def test_filters_are_random_and_always_the_same_and_see_no_brightness(size: int):
    weights = filters(size)
    assert weights.shape == (16, 1, size, size)
    # Roundings of float32, of sums of up to 121 terms.
    torch.testing.assert_close(weights.sum((1, 2, 3)), torch.zeros(16), rtol=0, atol=1e-5)
    torch.testing.assert_close(weights.square().sum((1, 2, 3)), torch.ones(16), rtol=0, atol=1e-5)
    assert torch.linalg.matrix_rank(weights.flatten(1)) == min(16, size * size - 1)
    filters.cache_clear()
    assert torch.equal(filters(size), weights)


def test_the_texture_itself_has_no_style_loss():
    texture = _gravel()
    wanted = grams(texture)
    assert style_loss(texture, wanted).item() == 0.0
    # The filters are linear, so half the contrast gives a quarter of the Gram matrix: (1/4 - 1)^2 = 9/16.
    images = torch.cat((texture / 2, texture + 0.3, torch.full_like(texture, 0.4), 2 * texture))
    torch.testing.assert_close(style_loss(images, wanted), torch.tensor([9 / 16, 0, 1, 9]), rtol=1e-4, atol=1e-5)


def test_content_loss_is_the_coarse_difference_but_for_the_brightness():
    photo = torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    board = torch.tensor([[1.0, -1.0], [-1.0, 1.0]])
    coarse = board.repeat_interleave(4, 0).repeat_interleave(4, 1)[None, None]
    fine = board.repeat(4, 4)[None, None]
    changed = torch.cat([photo, photo + 0.2, photo + 0.3 * coarse, photo + 0.3 * fine])
    found = style.content_loss(changed, photo.expand(4, -1, -1, -1))
    torch.testing.assert_close(found, torch.tensor([0, 0, 0.09, 0]), rtol=1e-5, atol=1e-8)


def test_contrast_is_reduced_around_the_mean_by_up_to_eight():
    images = torch.rand(500, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    varied = vary_contrast(images, torch.Generator().manual_seed(1))
    torch.testing.assert_close(varied.mean((1, 2, 3)), images.mean((1, 2, 3)))
    factor = varied.std((1, 2, 3)) / images.std((1, 2, 3))
    # Roundings of float32; the tenths of the logarithm are equally filled, 50 each, within five standard errors.
    assert 1 / 8 - 1e-5 <= factor.min() < factor.max() <= 1 + 1e-5
    counts = np.histogram(-factor.log2() / 3, bins=10, range=(-1e-4, 1 + 1e-4))[0]
    assert np.all(np.abs(counts - 50) < 5 * math.sqrt(45))
    assert varied.min() >= 0
    assert varied.max() <= 1


def test_crops_are_parts_of_the_photographs_and_never_bare():
    bare_left = torch.cat((torch.full((20, 20), 0.5), torch.eye(20)), dim=1)
    found = crops([bare_left], 40, 8, torch.Generator().manual_seed(0))
    assert found.shape == (40, 1, 8, 8)
    assert found.std((1, 2, 3)).min() >= 0.08
    windows = {window.numpy().tobytes() for row in bare_left.unfold(0, 8, 1).unfold(1, 8, 1) for window in row}
    assert {crop.numpy().tobytes() for crop in found} <= windows


def test_no_photograph_is_in_two_parts_and_each_seed_deals_them_anew(monkeypatch: pytest.MonkeyPatch):
    noise = torch.rand(60, 60, generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr(style, "photograph", lambda name, _: noise + 10 * style.PHOTOGRAPHS.index(name))
    dealt = []
    for seed in range(4):
        split = STYLE.load(seed)
        labels = (split.train.labels, split.validation.labels, split.test.labels)
        parts = [each.div(10, rounding_mode="floor") for each in labels]
        names = [set(part.unique().int().tolist()) for part in parts]
        assert [len(part) for part in names] == [4, 1, 2]
        assert set.union(*names) == set(range(7))
        # As many crops of each photograph.
        counts = [part[:, 0, 0, 0].unique(return_counts=True)[1].tolist() for part in parts]
        assert counts == [[64] * 4, [64], [32] * 2]
        dealt.append(tuple(map(frozenset, names)))
    assert len(set(dealt)) == 4


def test_a_seed_gives_the_same_crops_and_nothing_is_downloaded(monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object) -> None:
        raise AssertionError("a download was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    photograph.cache_clear()
    split, again, other = STYLE.load(0), STYLE.load(0), STYLE.load(1)
    assert split.train.inputs.shape == split.train.labels.shape == (256, 1, 48, 48)
    assert torch.equal(split.train.inputs, again.train.inputs)
    assert torch.equal(split.test.labels, again.test.labels)
    assert not torch.equal(split.test.labels, other.test.labels)
    assert all(photograph(name, 3).shape >= (100, 100) for name in style.PHOTOGRAPHS)


def test_a_photograph_that_is_not_carried_is_an_error_that_says_so():
    with pytest.raises(LabError, match=r"in scikit-image's data folder, got eagle\.png, .* install the wheel"):
        photograph("eagle.png", 2)


class Grey(nn.Module):
    """Makes every picture bare."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.full_like(x, 0.5)


def test_error_is_100_for_the_crops_unchanged():
    test = STYLE.load(0).test
    assert error(STYLE.objective, nn.Identity(), test) == 100.0
    details = STYLE.objective.details(Grey(), test)
    # A bare picture has a style loss of 1, and the variance of the photograph itself as its content loss.
    content = 20 * style.content_loss(torch.zeros_like(test.labels), test.labels).sum()
    whole = STYLE.objective.loss(nn.Identity(), test.inputs, test.labels) * 64
    # Sums of 64 crops in float32.
    assert details["style_error"] == pytest.approx((100 * 64 / whole).item(), rel=1e-4)
    assert details["content_error"] == pytest.approx((100 * content / whole).item(), rel=1e-4)
    both = details["style_error"] + details["content_error"]
    assert error(STYLE.objective, Grey(), test) == pytest.approx(both, abs=1e-3)


def test_the_loss_is_the_mean_of_crops_taken_alone():
    test = STYLE.load(0).test
    inputs, labels = test.inputs[:5], test.labels[:5]
    alone = [STYLE.objective.loss(nn.Identity(), inputs[i : i + 1], labels[i : i + 1]) for i in range(5)]
    # Roundings of float32.
    torch.testing.assert_close(STYLE.objective.loss(nn.Identity(), inputs, labels), torch.stack(alone).mean())


def _read(text: str) -> np.ndarray:
    with Image.open(io.BytesIO(base64.b64decode(text))) as image:
        assert (image.format, image.mode) == ("PNG", "L")
        return np.asarray(image)


def test_images_are_png():
    details = STYLE.objective.details(Grey(), STYLE.load(0).test)
    assert np.array_equal(_read(details["stylized_png"]), np.full((48, 48), 128))
    given = STYLE.load(0).test.inputs[0, 0]
    # Rounded to the nearest of 256 greys.
    assert np.abs(_read(details["photograph_png"]) / 255 - given.numpy()).max() <= 0.5001 / 255
    assert len(details["photograph_png"]) < 5000
    assert np.array_equal(_read(encode(torch.tensor([[[0.0, 1.0]]]), "PNG")), [[0, 255]])


@pytest.mark.parametrize(("norm", "alone"), [("instance", True), ("local", True), ("batch", False)])
def test_only_batch_normalization_looks_at_other_crops(norm: str, alone: bool):
    torch.manual_seed(0)
    model = stylizer(find_norm(norm).builder(2))
    x = STYLE.load(0).test.inputs[:4]
    # The rounding of float32, of values in (0, 1).
    assert torch.allclose(model(x)[1:2], model(x[1:2]), rtol=0, atol=1e-4) is alone


def test_instance_normalization_takes_the_contrast_away():
    torch.manual_seed(0)
    x = STYLE.load(0).test.labels[:2]
    grey = 0.5 + (x - 0.5) / 2
    model = stylizer(find_norm("instance").builder(2, (("eps", 1e-12),))).double()
    # What the convolution's bias leaves of float64 after a division by a small deviation, and eps beside it.
    torch.testing.assert_close(model(x.double()), model(grey.double()), rtol=0, atol=1e-6)


def test_a_few_steps_bring_the_loss_down():
    torch.manual_seed(0)
    split = STYLE.load(0)
    model = STYLE.build(find_norm("instance").builder(2))
    part = Subset(split.train.inputs[:32], split.train.labels[:32])
    before = error(STYLE.objective, model, part)
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    order = torch.Generator().manual_seed(0)
    fabric = Fabric(accelerator="cpu", devices=1)
    model, optimizer = fabric.setup(model, optimizer)
    for _ in range(3):
        train_epoch(fabric, model, optimizer, STYLE, part, 4, order)
    assert error(STYLE.objective, model, part) < min(before, 100) / 1.5


@pytest.mark.slow
def test_a_trial_gives_the_same_digits_in_another_process(tmp_path: Path):
    trial = Trial("style", "stylizer", "instance", 0, 3e-3, 8, 1)
    here = run_trial(trial)
    assert here.status == "ok"
    (there,) = run_jobs([trial], Store(tmp_path), EngineSetup(workers=1))
    assert there.results == here.results


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_instance_normalization_reaches_a_lower_style_loss_than_batch(seed: int):
    reached = {
        norm: run_trial(
            Trial("style", "stylizer", norm, seed, style.LEARNING_RATE, style.BATCH_SIZE, style.EPOCHS)
        ).results["style_error"]
        for norm in ("batch", "instance")
    }
    assert reached["instance"] < reached["batch"]
