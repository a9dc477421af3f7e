"""Names, descriptions and hyperparameter ranges of the lab's norms, and names of its tasks; no torch.

To add a norm, add its `NormInfo` here and its builder to `localnorm.lab.norms`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from localnorm.lab.plugins import check_spelling, import_user_defined
from localnorm.lab.study.search_space import Choice, LogUniform, Space, Uniform


@dataclass(frozen=True)
class NormInfo:
    """A norm without its module.

    Attributes:
        name: the name on the command line and in records.
        about: the statistics that it divides by, in a few words.
        space: its hyperparameters and their ranges.
    """

    name: str
    about: str
    space: Space = field(default_factory=dict)


_EPS = LogUniform(1e-7, 1e-1)
_LOCAL: Space = {
    "n": Choice((3, 5, 7, 9, 11)),
    "k": LogUniform(0.1, 10),
    "alpha": LogUniform(1e-5, 1),
    "beta": Uniform(0.25, 1.5),
}

NORM_INFO: Mapping[str, NormInfo] = MappingProxyType(
    {
        info.name: info
        for info in (
            NormInfo("none", "nothing: the activations are unchanged"),
            NormInfo(
                "local",
                "the activations of neighbouring channels (the article's n=5, k=2, alpha=1e-4, beta=0.75)",
                _LOCAL,
            ),
            NormInfo(
                "local-learned",
                "the activations of neighbouring channels, with k, alpha and beta learned from the article's",
                _LOCAL,
            ),
            NormInfo(
                "batch",
                "the mean and variance of each channel over the mini-batch",
                {"momentum": LogUniform(0.01, 0.9), "eps": _EPS},
            ),
            NormInfo("layer", "the mean and variance of all activations of a sample", {"eps": _EPS}),
            NormInfo("instance", "the mean and variance of each channel of a sample", {"eps": _EPS}),
            NormInfo(
                "group",
                "the mean and variance of each group of channels of a sample",
                {"groups": Choice((1, 2, 4, 8, 16, 32)), "eps": _EPS},
            ),
            NormInfo("rms", "the root mean square of all activations of a sample", {"eps": _EPS}),
            NormInfo("dyt", "nothing: tanh of a learned multiple", {"alpha": LogUniform(0.05, 2)}),
            NormInfo(
                "derf",
                "nothing: erf of a learned multiple and shift",
                {"alpha": LogUniform(0.05, 2), "shift": Uniform(-0.5, 0.5)},
            ),
            NormInfo("grn", "the mean over channels of their Euclidean norms over positions, added to the input"),
            NormInfo(
                "frn", "the root mean square of each channel of a sample, with a learned threshold", {"eps": _EPS}
            ),
            NormInfo(
                "evonorm-s0",
                "the deviation of each group of channels of a sample, of x * sigmoid(v x)",
                {"groups": Choice((1, 2, 4, 8, 16, 32)), "eps": _EPS},
            ),
            NormInfo(
                "ws-group",
                "the mean and variance of each group of channels of a sample, behind standardized weights",
                {"groups": Choice((1, 2, 4, 8, 16, 32)), "eps": _EPS},
            ),
            NormInfo(
                "batch-renorm",
                "the mean and variance of each channel over the mini-batch, corrected by running ones",
                {"momentum": LogUniform(0.001, 0.5), "eps": _EPS},
            ),
            NormInfo("pixel", "the root mean square over the channels of each position", {"eps": _EPS}),
            NormInfo(
                "gdn",
                "a learned weighted sum of the squares of all channels at each position",
                {"gamma": LogUniform(0.01, 1)},
            ),
            NormInfo(
                "nf",
                "nothing: standardized and scaled weights, gradients clipped by the norms of the weights",
                {"clip": LogUniform(0.001, 1)},
            ),
        )
    }
)

MODERN = "modern"
"""Stands for the names of `MODERN_NORMS` on the command line."""
MODERN_NORMS = ("dyt", "derf", "grn", "frn", "evonorm-s0", "ws-group", "batch-renorm", "pixel", "gdn", "nf")

TASK_NAMES = ("digits", "digit-rows", "digit-tokens", "digit-scenes", "adding", "faces", "style")
"""The tasks of `localnorm.lab.tasks`, in its order, for checks that do not wait for torch."""
DATA_PREFIXES = ("data:", "lfw:", "coco:")
"""Prefixes of the names of tasks on user data."""


def norm_info(name: str) -> NormInfo:
    """Return the description of a norm; the module of a user-defined one is imported.

    Args:
        name: a name of ``NORM_INFO``, or ``package.module:attribute``. A `localnorm.lab.norms.Norm` has an
            attribute ``info``; any other builder has no hyperparameters to search.

    Raises:
        UnknownNameError: no such norm.

    Example:
        >>> list(norm_info("batch").space)
        ['momentum', 'eps']
    """
    if name in NORM_INFO:
        return NORM_INFO[name]
    info = getattr(import_user_defined("norm", name, NORM_INFO), "info", None)
    if isinstance(info, NormInfo):
        return NormInfo(name, info.about, info.space)
    return NormInfo(name, f"user-defined: {name}")


def check_names(tasks: tuple[str, ...] = (), norms: tuple[str, ...] = ()) -> None:
    """Raise an error for a misspelt task or norm, without importing torch or a user-defined module.

    Raises:
        UnknownNameError: a name that is neither known nor ``package.module:attribute``.

    Example:
        >>> check_names(("digits", "data:photos", "my_tasks:mine"), ("none", "torch.nn:BatchNorm2d"))
    """
    for name in norms:
        check_spelling("norm", name, NORM_INFO)
    for name in tasks:
        if not name.startswith(DATA_PREFIXES):
            check_spelling("task", name, (*TASK_NAMES, *(f"{prefix}FOLDER" for prefix in DATA_PREFIXES), "all"))
