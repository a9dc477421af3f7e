"""Short descriptions of the lab's corruptions and models, which the report reads without torch."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

CORRUPTIONS: Mapping[str, str] = MappingProxyType(
    {
        "noise": "Gaussian, standard deviation 0.1 to 0.5 of the range from black to white",
        "salt and pepper": "4 to 20 % of the pixels replaced by black or white",
        "shot noise": "Poisson, 60 to 3 photons per white pixel on average",
        "blur": "Gaussian, standard deviation 0.3 to 1.1 pixels",
        "motion blur": "along 1 to 5 pixels, in a random direction for each image",
        "contrast": "reduced to 84 to 20 %",
        "brightness": "every pixel brighter by 0.1 to 0.5 of the range from black to white",
        "pixelate": "85 to 25 % of the pixels along each side",
        "occlusion": "a grey rectangle of 1/8 to 5/8 of each side, at a random place",
    }
)
"""Severities 1 to 5 of each corruption."""

MODELS: Mapping[str, str] = MappingProxyType(
    {
        # The name is part of the keys of stored records.
        "textbook_cnn": (
            "the article's network: convolution 32 of 3 x 3, ReLU, norm, convolution 64 of 3 x 3, ReLU, norm, "
            "max-pooling, dense 128, ReLU, dense"
        ),
        "small_cnn": "three blocks of convolution 3 x 3 (32, 64, 128), ReLU, norm, then mean to 4 x 4, dense",
        "recurrent": "the norm inside its cell: h = tanh(norm(W x + U h)), 64 units",
        "transformer": "pre-norm transformer blocks, every norm replaced",
        "detector": "four blocks of convolution, ReLU, norm, then one box and the class scores per cell of a grid",
        "stylizer": "convolutions, residual blocks and upsampling, a norm after each convolution but the last",
    }
)
"""The networks."""
