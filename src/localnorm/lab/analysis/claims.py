"""The article's claims about normalization layers, each as differences between norms that can be judged.

`CLAIMS` holds the article's comparison of local, batch and layer, its claims about LRN, and its claims about what
layer and instance normalization suit. Its words high, moderate and low rank the three norms, so they are judged as
a ranking. For norms that the article does not mention, each row asks the same question, in `QUESTIONS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

ARTICLE = "“Normalization — machine learning note documentation”, 22 November 2024"
"""The article, cited where its claims are shown."""
SELF = "this norm"
NOT_ITSELF = "not itself"


@dataclass(frozen=True)
class Contrast:
    """``value(more) - value(than)`` is above 0, or the opposite.

    Attributes:
        more: a norm, or `SELF`.
        than: a norm, or `SELF`.
        holds: False if the claim is that it is not.
    """

    more: str
    than: str
    holds: bool = True


@dataclass(frozen=True)
class Claim:
    """An opinion, and the measurement that would confirm it.

    Attributes:
        text: the article's words; empty if it has none.
        judged_as: the judged statement, in words.
        contrasts: differences that must all be as stated.
        reach: the claimed scope, or `NOT_ITSELF` for any scope beyond the element itself.
    """

    text: str
    judged_as: str
    contrasts: tuple[Contrast, ...] = ()
    reach: str = ""


def _ranking(row: str) -> dict[tuple[str, str], Claim]:
    """The article's high, moderate and low in one row."""
    local_over_batch, batch_over_layer = Contrast("local", "batch"), Contrast("batch", "layer")
    return {
        (row, "local"): Claim("high", "higher than batch", (local_over_batch,)),
        (row, "batch"): Claim(
            "moderate", "lower than local and higher than layer", (local_over_batch, batch_over_layer)
        ),
        (row, "layer"): Claim("low", "lower than batch", (batch_over_layer,)),
    }


def _lowers(norm: str, text: str, error: str = "error") -> Claim:
    return Claim(text, f"lowers the {error} of none", (Contrast("none", norm),))


def _reaches(reach: str, words: str) -> Claim:
    return Claim(reach, f"reaches {words}", reach=reach)


_SCOPE, _FLEXIBILITY, _RNNS = "normalization scope", "flexibility", "suitability for RNNs"
CLAIMS: Mapping[tuple[str, str], Claim] = MappingProxyType(
    {
        (_SCOPE, "local"): _reaches("local neighbourhood", "neighbouring channels only"),
        (_SCOPE, "batch"): _reaches("mini-batch", "other samples of the batch"),
        (_SCOPE, "layer"): _reaches("single layer", "all of its own sample and no other"),
        **_ranking("computational cost"),
        **_ranking("hyperparameter sensitivity"),
        (_FLEXIBILITY, "local"): Claim(
            "limited",
            "passes fewer checks than batch and than layer",
            (Contrast("batch", "local"), Contrast("layer", "local")),
        ),
        (_FLEXIBILITY, "batch"): Claim("high", "passes more checks than local", (Contrast("batch", "local"),)),
        (_FLEXIBILITY, "layer"): Claim("high", "passes more checks than local", (Contrast("layer", "local"),)),
        (_RNNS, "local"): Claim(
            "no", "does not lower the error of none", (Contrast("none", "local", holds=False),)
        ),
        (_RNNS, "batch"): _lowers("batch", "yes"),
        (_RNNS, "layer"): _lowers("layer", "yes"),
        ("suitability for transformers", "layer"): _lowers("layer", "yes"),
        ("suitability for style transfer", "instance"): _lowers("instance", "yes"),
        ("generalization", "local"): _lowers("local", "improved"),
        ("feature learning", "local"): _lowers("local", "enhanced", "linear-probe error"),
        ("robustness to noise", "local"): _lowers("local", "robust"),
    }
)

_MORE, _BETTER = (Contrast(SELF, "none"),), _lowers(SELF, "")
QUESTIONS: Mapping[str, Claim] = MappingProxyType(
    {
        _SCOPE: Claim("", "reaches beyond the element itself", reach=NOT_ITSELF),
        "computational cost": Claim("", "costs more than none", _MORE),
        "hyperparameter sensitivity": Claim("", "loses more with its defaults than none", _MORE),
        _FLEXIBILITY: Claim("", "passes fewer checks than none", (Contrast("none", SELF),)),
        _RNNS: _BETTER,
        "suitability for transformers": _BETTER,
        "suitability for style transfer": _BETTER,
        "generalization": _BETTER,
        "feature learning": _BETTER,
        "robustness to noise": _BETTER,
        "batch-size dependence": Claim("", "depends more on the batch size than none", _MORE),
    }
)


def claim_of(row: str, norm: str) -> Claim:
    """Return the claim that is judged for a norm in a row."""
    return CLAIMS.get((row, norm), QUESTIONS[row])
