"""What is claimed of each norm, as differences that can be judged.

The textbook's comparison (local, batch and layer) and its claims about LRN, and of what layer and instance
normalization suit, are `CLAIMS`. Its words high,
moderate and low rank the three norms, so they are judged as a ranking. Of a norm that the textbook says
nothing about, each row asks the same plain question, in `QUESTIONS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

SELF = "this norm"


@dataclass(frozen=True)
class Contrast:
    """``value(more) - value(than) >= smallest effect``, or that it is not.

    Attributes:
        more: a norm, or `SELF`.
        than: a norm, or `SELF`.
        holds: False where the claim is that the difference is smaller.
    """

    more: str
    than: str
    holds: bool = True


@dataclass(frozen=True)
class Claim:
    """An opinion, and what would have to be measured for it to be right.

    Attributes:
        text: the textbook's words; empty where it has none.
        judged_as: what is judged, in words.
        contrasts: differences that must all be as stated.
        reach: the scope that is claimed, or `not itself` for any scope beyond the element itself.
    """

    text: str
    judged_as: str
    contrasts: tuple[Contrast, ...] = ()
    reach: str = ""


def _ranking(row: str) -> dict[tuple[str, str], Claim]:
    """The textbook's high, moderate and low in one row."""
    local_over_batch, batch_over_layer = Contrast("local", "batch"), Contrast("batch", "layer")
    return {
        (row, "local"): Claim("high", "higher than batch", (local_over_batch,)),
        (row, "batch"): Claim(
            "moderate", "lower than local and higher than layer", (local_over_batch, batch_over_layer)
        ),
        (row, "layer"): Claim("low", "lower than batch", (batch_over_layer,)),
    }


NOT_ITSELF = "not itself"

CLAIMS: Mapping[tuple[str, str], Claim] = MappingProxyType(
    {
        ("normalization scope", "local"): Claim(
            "local neighbourhood", "reaches neighbouring channels only", reach="local neighbourhood"
        ),
        ("normalization scope", "batch"): Claim(
            "mini-batch", "reaches other samples of the batch", reach="mini-batch"
        ),
        ("normalization scope", "layer"): Claim(
            "single layer", "reaches all of its own sample and no other", reach="single layer"
        ),
        **_ranking("computational cost"),
        **_ranking("hyperparameter sensitivity"),
        ("flexibility", "local"): Claim(
            "limited",
            "passes fewer items than batch and than layer",
            (Contrast("batch", "local"), Contrast("layer", "local")),
        ),
        ("flexibility", "batch"): Claim("high", "passes more items than local", (Contrast("batch", "local"),)),
        ("flexibility", "layer"): Claim("high", "passes more items than local", (Contrast("layer", "local"),)),
        ("suitability for RNNs", "local"): Claim(
            "no", "does not lower the error of none", (Contrast("none", "local", holds=False),)
        ),
        ("suitability for RNNs", "batch"): Claim("yes", "lowers the error of none", (Contrast("none", "batch"),)),
        ("suitability for RNNs", "layer"): Claim("yes", "lowers the error of none", (Contrast("none", "layer"),)),
        ("suitability for transformers", "layer"): Claim(
            "yes", "lowers the error of none", (Contrast("none", "layer"),)
        ),
        ("suitability for style transfer", "instance"): Claim(
            "yes", "lowers the error of none", (Contrast("none", "instance"),)
        ),
        ("generalization", "local"): Claim("improved", "lowers the error of none", (Contrast("none", "local"),)),
        ("feature learning", "local"): Claim(
            "enhanced", "lowers the linear-probe error of none", (Contrast("none", "local"),)
        ),
        ("robustness to noise", "local"): Claim(
            "robust", "lowers the error of none", (Contrast("none", "local"),)
        ),
    }
)

_LOWERS = Claim("", "lowers the error of none", (Contrast("none", SELF),))

QUESTIONS: Mapping[str, Claim] = MappingProxyType(
    {
        "normalization scope": Claim("", "reaches beyond the element itself", reach=NOT_ITSELF),
        "computational cost": Claim("", "costs more than none", (Contrast(SELF, "none"),)),
        "hyperparameter sensitivity": Claim("", "loses more by its defaults than none", (Contrast(SELF, "none"),)),
        "flexibility": Claim("", "passes fewer items than none", (Contrast("none", SELF),)),
        "suitability for RNNs": _LOWERS,
        "suitability for transformers": _LOWERS,
        "suitability for style transfer": _LOWERS,
        "generalization": _LOWERS,
        "feature learning": _LOWERS,
        "robustness to noise": _LOWERS,
        "batch-size dependence": Claim("", "depends more on the batch size than none", (Contrast(SELF, "none"),)),
    }
)


def claim_of(row: str, norm: str) -> Claim:
    """Return what is judged of a norm in a row."""
    return CLAIMS.get((row, norm), QUESTIONS[row])
