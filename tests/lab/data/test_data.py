"""Data in standard files: what is read, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from data_files import idx, random_pixels, write_cifar, write_mnist
from localnorm.errors import DataError
from localnorm.lab.data import Data, Images, load_data

TRAIN_IMAGES, TRAIN_LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("place", [".", "raw", "MNIST/raw", "FashionMNIST/raw"])
def test_mnist_is_read_to_the_byte(tmp_path: Path, place: str, zipped: bool):
    train, test = random_pixels(4, 5, 3), random_pixels(2, 5, 3, seed=1)
    write_mnist(tmp_path / place, "train", train, [0, 9, 3, 3], zipped=zipped)
    write_mnist(tmp_path / place, "t10k", test, [9, 0], zipped=zipped)
    data = load_data(str(tmp_path))
    np.testing.assert_array_equal(data.train.pixels, train[:, None])
    np.testing.assert_array_equal(data.test.pixels, test[:, None])
    assert (data.train.labels.tolist(), data.test.labels.tolist()) == ([0, 9, 3, 3], [9, 0])
    assert (data.validation, data.shape, data.classes) == (None, (1, 5, 3), tuple("0123456789"))


def test_the_header_is_big_endian(tmp_path: Path):
    # The first 16 bytes of MNIST's own file of 60,000 images, as its authors' page lists them.
    header = bytes.fromhex("00000803 0000ea60 0000001c 0000001c")
    (tmp_path / TRAIN_IMAGES).write_bytes(header + bytes(60_000 * 28 * 28))
    (tmp_path / TRAIN_LABELS).write_bytes(bytes.fromhex("00000801 0000ea60") + bytes([5, 0] * 30_000))
    data = load_data(str(tmp_path))
    assert data.train.pixels.shape == (60_000, 1, 28, 28)
    assert data.train.labels[:3].tolist() == [5, 0, 5]
    assert data.test is None


MNIST = {
    TRAIN_IMAGES: idx(random_pixels(3, 2, 2)),
    TRAIN_LABELS: idx(np.array([0, 1, 2], np.uint8)),
    "t10k-images-idx3-ubyte": idx(random_pixels(1, 2, 2)),
    "t10k-labels-idx1-ubyte": idx(np.array([0], np.uint8)),
}
WRONG = {
    "truncated": (TRAIN_IMAGES, MNIST[TRAIN_IMAGES][:-1], "must be 28 bytes long .* got 27; it is truncated"),
    "too long": (TRAIN_IMAGES, MNIST[TRAIN_IMAGES] + b"\0", "must be 28 bytes long .* got 29"),
    "truncated in its header": (TRAIN_IMAGES, MNIST[TRAIN_IMAGES][:9], "bytes long .* got 9; it is truncated"),
    "empty": (TRAIN_LABELS, b"", "magic number 0x00000801, got 0x;"),
    "wrong magic number": (TRAIN_IMAGES, MNIST[TRAIN_LABELS], "magic number 0x00000803, got 0x00000801"),
    "fewer labels": (TRAIN_LABELS, idx(np.array([0, 1], np.uint8)), "as many images as labels, got 3 and 2"),
    "label out of range": (TRAIN_LABELS, idx(np.array([0, 10, 2], np.uint8)), r"in 0\.\.9, got 10 for example 1"),
    "one class": (TRAIN_LABELS, idx(np.array([7, 7, 7], np.uint8)), "two classes in training, got only '7'"),
    "no images": ("t10k-images-idx3-ubyte", idx(random_pixels(0, 2, 2)), "as many images as labels, got 0 and 1"),
    "other size": ("t10k-images-idx3-ubyte", idx(random_pixels(1, 2, 3)), r"got \(1, 2, 3\) for test"),
    "labels missing": ("t10k-labels-idx1-ubyte", None, "must hold t10k-labels-idx1-ubyte or .*gz"),
    "train missing": (TRAIN_IMAGES, None, "must hold train-images-idx3-ubyte or"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_mnist_that_is_damaged_is_refused(tmp_path: Path, wrong: str):
    name, content, said = WRONG[wrong]
    for file, whole in {**MNIST, name: content}.items():
        if whole is not None:
            (tmp_path / file).write_bytes(whole)
    with pytest.raises(DataError, match=said) as raised:
        load_data(str(tmp_path))
    assert str(tmp_path) in str(raised.value)


@pytest.mark.parametrize("content", [b"no gzip file", b"\x1f\x8b\x08", None])
def test_a_damaged_gzip_file_is_named(tmp_path: Path, content: bytes | None):
    write_mnist(tmp_path, "train", random_pixels(3, 8, 8), [0, 1, 2], zipped=True)
    path = tmp_path / f"{TRAIN_IMAGES}.gz"
    path.write_bytes(path.read_bytes()[:-20] if content is None else content)
    with pytest.raises(DataError, match=f"{re.escape(str(path))} must be a whole gzip file"):
        load_data(str(tmp_path))


@pytest.mark.parametrize("place", [".", "cifar-10-batches-bin"])
def test_cifar_is_read_to_the_byte_with_its_batches_in_order(tmp_path: Path, place: str):
    first, second, test = (random_pixels(2, 3, 32, 32, seed=seed) for seed in range(3))
    write_cifar(tmp_path / place / "data_batch_2.bin", second, [9, 3])
    write_cifar(tmp_path / place / "data_batch_1.bin", first, [0, 1])
    write_cifar(tmp_path / place / "test_batch.bin", test, [1, 0])
    data = load_data(str(tmp_path))
    np.testing.assert_array_equal(data.train.pixels, np.concatenate([first, second]))
    np.testing.assert_array_equal(data.test.pixels, test)
    assert (data.train.labels.tolist(), data.test.labels.tolist()) == ([0, 1, 9, 3], [1, 0])
    assert (data.shape, data.classes[9]) == ((3, 32, 32), "truck")


def test_cifar_that_is_damaged_is_refused(tmp_path: Path):
    batch = tmp_path / "data_batch_1.bin"
    write_cifar(batch, random_pixels(2, 3, 32, 32), [0, 10])
    with pytest.raises(DataError, match=r"in 0\.\.9, got 10 for example 1 of .*data_batch_1\.bin"):
        load_data(str(tmp_path))
    batch.write_bytes(batch.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"got 6145 bytes, which is 1 records and 3072 bytes; it is truncated"):
        load_data(str(tmp_path))
    batch.write_bytes(b"")
    with pytest.raises(DataError, match=r"data_batch_1\.bin must hold whole records .* got 0 bytes"):
        load_data(str(tmp_path))
    batch.rename(tmp_path / "test_batch.bin")
    with pytest.raises(DataError, match=r"got no training batch"):
        load_data(str(tmp_path))


@pytest.mark.parametrize("name", ["data_batch_1", "cifar-10-batches-py/data_batch_1"])
def test_pickles_are_not_opened(tmp_path: Path, name: str):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(b"cos\nabort\n(tR.")  # ends the process that unpickles it
    with pytest.raises(DataError, match=r"cifar-10-binary\.tar\.gz.* got the Python version .* pickles"):
        load_data(str(tmp_path))


def test_where_there_is_nothing(tmp_path: Path):
    with pytest.raises(DataError, match=r"must be a folder that exists or hub:NAME, .*there is nothing at"):
        load_data(str(tmp_path / "nowhere"))
    (tmp_path / "mnist.zip").write_bytes(b"")
    with pytest.raises(DataError, match=r"there is a file at .*unpack"):
        load_data(str(tmp_path / "mnist.zip"))
    with pytest.raises(
        DataError, match=f"must hold {TRAIN_IMAGES}, .*test_batch.bin, a folder of images for each"
    ):
        load_data(str(tmp_path))


def test_a_side_is_for_pictures(tmp_path: Path):
    write_mnist(tmp_path, "train", random_pixels(2, 5, 3), [0, 1], zipped=False)
    with pytest.raises(DataError, match="got side=8 for"):
        load_data(str(tmp_path), side=8)
    with pytest.raises(DataError, match="at least 1 pixel, got 0"):
        load_data(str(tmp_path), side=0)


def test_each_part_holds_an_image():
    none, some = (
        Images(random_pixels(0, 1, 2, 2), np.zeros(0, np.int64)),
        Images(random_pixels(2, 1, 2, 2), np.arange(2)),
    )
    with pytest.raises(DataError, match="got none for test in here"):
        Data("here", ("a", "b"), some, test=none)
