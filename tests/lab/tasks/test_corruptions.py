"""What each corruption does, on images made for it."""

from __future__ import annotations

import pytest
import torch

from localnorm.lab.tasks.corruptions import CORRUPTIONS, SEVERITIES, corrupt

pytestmark = pytest.mark.usefixtures("one_thread")


def _random(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize("shape", [(3, 1, 8, 8), (2, 3, 64, 50), (1, 1, 9, 31)])
def test_images_of_any_size_stay_images(name: str, shape: tuple[int, ...]):
    for severity in SEVERITIES:
        found = corrupt(_random(*shape), name, severity, seed=0)
        assert found.shape == shape
        assert 0 <= found.min() <= found.max() <= 1


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_an_image_does_not_depend_on_those_behind_it(name: str):
    images = _random(4, 1, 8, 8)
    # What is random is drawn for all images at once; the rest is each image's own.
    if name in ("blur", "contrast", "brightness", "pixelate"):
        torch.testing.assert_close(corrupt(images, name, 4, 1)[:2], corrupt(images[:2], name, 4, 1))
    else:
        assert not torch.equal(corrupt(images, name, 4, 1), corrupt(images, name, 4, 2))


def test_pixels_become_larger_and_hold_their_mean():
    images = _random(2, 1, 8, 8)
    # A quarter of the pixels along each side.
    blocks = images.view(2, 1, 2, 4, 2, 4).mean((3, 5))
    torch.testing.assert_close(
        corrupt(images, "pixelate", 5, 0), blocks.repeat_interleave(4, 2).repeat_interleave(4, 3)
    )


@pytest.mark.parametrize(("severity", "high", "wide"), [(1, 1, 2), (3, 3, 6), (5, 5, 10)])
def test_a_rectangle_hides_its_share_of_each_side(severity: int, high: int, wide: int):
    hidden = corrupt(torch.zeros(1000, 1, 8, 16), "occlusion", severity, 0)[:, 0] == 0.5
    assert hidden.any(2).sum(1).tolist() == [high] * 1000
    assert hidden.any(1).sum(1).tolist() == [wide] * 1000
    assert hidden.sum((1, 2)).tolist() == [high * wide] * 1000
    assert hidden.any(0).all(), "it lies anywhere"


def test_shot_noise_counts_photons():
    dim = corrupt(torch.full((1, 1, 200, 200), 0.25), "shot noise", 3, 0)
    counts = 12 * dim
    torch.testing.assert_close(counts, counts.round())
    # Of 40,000 pixels: the mean is that of the image, and a Poisson's variance is its mean.
    assert dim.mean() == pytest.approx(0.25, abs=0.005)
    assert counts[counts < 12].var() == pytest.approx(3.0, rel=0.05)


@pytest.mark.parametrize("severity", SEVERITIES)
def test_motion_smears_a_point_along_a_line_through_it(severity: int):
    points = torch.zeros(20, 1, 15, 15)
    points[:, :, 7, 7] = 1
    smeared = corrupt(points, "motion blur", severity, 0)[:, 0]
    torch.testing.assert_close(smeared.sum((1, 2)), torch.ones(20))
    torch.testing.assert_close(smeared, smeared.flip(1, 2))
    rows, columns = torch.meshgrid(torch.arange(15.0) - 7, torch.arange(15.0) - 7, indexing="ij")
    moments = [(smeared * m).sum((1, 2)) for m in (rows**2, columns**2, rows * columns)]
    spread = torch.stack([moments[0], moments[2], moments[2], moments[1]], 1).view(20, 2, 2)
    narrow, far = torch.linalg.eigvalsh(spread).T
    # The variance along an even line; moving by parts of a pixel adds at most a quarter in either direction.
    places = torch.linspace(-severity / 2, severity / 2, 2 * severity + 1)
    assert (far >= places.var(unbiased=False) - 1e-5).all()
    assert (far <= places.var(unbiased=False) + 0.25).all()
    assert (narrow <= 0.25).all()
    assert len({tuple(image.flatten().tolist()) for image in smeared}) == 20, "each in a direction of its own"
