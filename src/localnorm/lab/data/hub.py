"""Load data with Hugging Face `datasets`: by name from the hub, or from a folder."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from localnorm.errors import DataError, MissingExtraError
from localnorm.lab.data.data import Data, Images, labelled
from localnorm.lab.data.folder import SPLIT_FOLDERS
from localnorm.lab.data.images import PILImage
from localnorm.lab.data.stream import stream_or_stack


def saved(path: Path) -> bool:
    """Whether `datasets` saved a data set there with ``save_to_disk``."""
    return (path / "dataset_dict.json").is_file() or (path / "state.json").is_file()


def read(name: str, side: int | None = None, *, skip: bool = False) -> Data:
    """Return the data of that name, with those of the splits train, validation and test that exist.

    A test or validation split whose labels are all -1, because they are secret, is left out.

    Args:
        name: ``NAME`` of the hub or a folder, ``NAME#COLUMN`` to name the column of the labels.
        side: resize every image to side x side pixels.
        skip: leave out damaged images.

    Raises:
        DataError: not found, no column of images, no or several columns of labels.
        MissingExtraError: `datasets` is not installed.
    """
    name, _, column = name.partition("#")
    splits = _load(name)
    parts = {part: next((splits[n] for n in names if n in splits), None) for part, names in SPLIT_FOLDERS.items()}
    if parts["train"] is None and len(splits) == 1:
        parts["train"] = next(iter(splits.values()))
    if parts["train"] is None:
        raise DataError(f"data must have a split named train, got {', '.join(splits)} in {name}; rename one.")
    image, label = _columns(parts["train"], name, column)
    classes = _classes(parts["train"], label)
    read = {
        part: _images(split, image, label, classes, side, skip=skip)
        for part, split in parts.items()
        if split is not None
    }
    found = {part: images for part, images in read.items() if images is not None}
    if "train" not in found:
        raise DataError(f"training images must have labels, got only -1 in column {label!r} of {name}.")
    return Data(f"hub:{name}", classes, **found)


def _load(name: str) -> dict[str, Any]:
    """Return the splits by name."""
    try:
        import datasets
    except ImportError:
        raise MissingExtraError(
            f"data by hub:NAME needs Hugging Face datasets, got {name!r}: pip install 'localnorm[datasets]'"
        ) from None
    try:
        loaded = datasets.load_from_disk(name) if saved(Path(name)) else datasets.load_dataset(name)
    except Exception as problem:  # noqa: BLE001  datasets raises the errors of many libraries
        raise DataError(
            f"hub:NAME must be a data set that datasets can load, got {name!r}: "
            f"{type(problem).__name__}: {problem}; check the name, and the connection unless it is a folder."
        ) from None
    return dict(loaded) if isinstance(loaded, Mapping) else {"train": loaded}


def _columns(split: Any, name: str, column: str) -> tuple[str, str]:  # noqa: ANN401  a Dataset of an optional package
    """Return the columns of the images and of the labels."""
    features = split.features
    kinds = {place: type(feature).__name__ for place, feature in features.items()}
    images = [place for place, kind in kinds.items() if kind == "Image"]
    if len(images) != 1:
        raise DataError(f"data must have one column of images, got {len(images)} among {kinds} in {name}.")
    labels = [place for place, kind in kinds.items() if kind == "ClassLabel"]
    labels = [column] if column else labels or [place for place in kinds if place in ("label", "labels")]
    if len(labels) != 1 or labels[0] not in kinds:
        raise DataError(
            f"data must have one column of labels, got {column or labels} among {', '.join(kinds)} in {name}; "
            f"name it after a #: hub:{name}#COLUMN."
        )
    return images[0], labels[0]


def _classes(split: Any, label: str) -> tuple[str, ...]:  # noqa: ANN401
    """Return the names of the classes; the distinct values of a column that does not name them."""
    names = getattr(split.features[label], "names", None)
    return tuple(names) if names else tuple(map(str, sorted(set(split[label]))))


def _images(
    split: Any,  # noqa: ANN401
    image: str,
    label: str,
    classes: tuple[str, ...],
    side: int | None,
    *,
    skip: bool,
) -> Images | None:
    """Return the images of one split; None if no label is known."""
    labels = _labels(split, label, classes)
    if len(labels) and (labels == -1).all():
        return None
    names = [f"example {place}" for place in range(len(labels))]
    pixels = stream_or_stack(names, partial(_open, split.select_columns(image), image), side, skip=skip)
    return labelled(pixels, labels, len(classes), f"column {label!r}")


def _open(split: Any, image: str, place: int) -> PILImage:  # noqa: ANN401
    try:
        opened: PILImage = split[place][image]
        opened.load()
    except (OSError, SyntaxError, ValueError) as problem:
        raise DataError(f"example {place} must be a whole image, got: {problem}; replace it.") from None
    return opened


def _labels(split: Any, label: str, classes: tuple[str, ...]) -> NDArray[np.int64]:  # noqa: ANN401
    values = list(split[label])
    if None in values:
        raise DataError(f"every image must have a label, got None for example {values.index(None)} in {label!r}.")
    if getattr(split.features[label], "names", None) is None:
        places = {name: place for place, name in enumerate(classes)}
        values = [places.get(str(value), -1) for value in values]
    return np.asarray(values, np.int64)
