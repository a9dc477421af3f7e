"""User-defined models, in torchvision's and timm's conventions and wrong, named ``user_models:...`` in tests."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from architectures import Permute, Pooled, encoder

Builder = Callable[[int], nn.Module]


class BasicBlock(nn.Module):
    """Two convolutions with a norm each, and a way around them."""

    def __init__(self, inputs: int, outputs: int, norm_layer: Callable[..., nn.Module], **where: object) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.bn1 = norm_layer(outputs, **where)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = norm_layer(outputs, **where)
        self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=False), norm_layer(outputs, **where))

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(y + self.downsample(x))


class ResNet(nn.Module):
    """Arguments as of torchvision's ResNet: it knows three channels only."""

    def __init__(
        self, block: type[BasicBlock], num_classes: int = 1000, norm_layer: Builder | None = None
    ) -> None:
        super().__init__()
        self.layer1 = block(3, 8, norm_layer or nn.BatchNorm2d)
        self.fc = nn.Linear(8, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.layer1(x).mean((2, 3)))


def torchvision_style(*, weights: object = None, progress: bool = True, **kwargs: object) -> nn.Module:
    """Build as torchvision's ``resnet18`` does, whose arguments all go through."""
    assert weights is None
    assert progress
    return ResNet(BasicBlock, **kwargs)


class TimmNet(nn.Module):
    """Arguments as of timm's ResNet, which tells its norms where to be."""

    def __init__(self, num_classes: int = 1000, in_chans: int = 3, norm_layer: Builder = nn.BatchNorm2d) -> None:
        super().__init__()
        self.layer1 = BasicBlock(in_chans, 8, norm_layer, device=None, dtype=None)
        self.fc = nn.Linear(8, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.layer1(x).mean((2, 3)))


def timm_style(pretrained: bool = False, **kwargs: object) -> nn.Module:
    assert not pretrained
    return TimmNet(**kwargs)


def sized(norm_layer: Builder, in_channels: int, image_size: int, classes: int) -> nn.Module:
    """Take every number that a model may need, under other names."""
    return nn.Sequential(
        norm_layer(in_channels), nn.Flatten(), nn.Dropout(), nn.Linear(in_channels * image_size**2, classes)
    )


def twelve_channels(
    num_classes: int = 10, *, norm_layer: Builder = nn.BatchNorm2d, rate: float = 0.0
) -> nn.Module:
    """Keep the norm in a Sequential, beside dropout, behind layers that find their sizes by themselves."""
    block = nn.Sequential(nn.LazyConv2d(12, 3, padding=1), norm_layer(12), nn.Dropout2d(rate), nn.ReLU())
    return nn.Sequential(block, nn.Flatten(), nn.Dropout(rate), nn.LazyLinear(num_classes))


with_dropout = partial(twelve_channels, rate=0.3)


def one_norm_twice(norm_layer: Builder, num_classes: int) -> nn.Module:
    """Apply one and the same norm at two places."""
    norm = norm_layer(6)
    return nn.Sequential(
        nn.LazyConv2d(6, 3), norm, nn.ReLU(), nn.Conv2d(6, 6, 3), norm, nn.Flatten(), nn.LazyLinear(num_classes)
    )


def norm_on_one_position(norm_layer: Builder, num_classes: int) -> nn.Module:
    """Norm what is left of the positions: too little for instance normalization."""
    return nn.Sequential(
        nn.LazyConv2d(8, 3), nn.AdaptiveAvgPool2d(1), norm_layer(8), nn.Flatten(), nn.Linear(8, num_classes)
    )


def without_norm_layer(num_classes: int) -> nn.Module:
    return nn.LazyLinear(num_classes)


def fixed_classes(norm_layer: Builder) -> nn.Module:
    return nn.Sequential(norm_layer(1), nn.Flatten(), nn.LazyLinear(1000))


def ignores_the_norm(norm_layer: Builder, num_classes: int) -> nn.Module:
    norm_layer(3)
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(num_classes))


def norm_on_tokens(norm_layer: Builder, num_classes: int) -> nn.Module:
    """Norm features of shape (N, tokens, channels), as a vision transformer does."""
    return nn.Sequential(nn.Flatten(2), nn.LazyLinear(5), norm_layer(5), nn.Flatten(), nn.LazyLinear(num_classes))


def channels_last(norm_layer: Builder, num_classes: int) -> nn.Module:
    return nn.Sequential(nn.LazyLinear(5), norm_layer(5), nn.Flatten(), nn.LazyLinear(num_classes))


def more_arguments(norm_layer: Callable[..., nn.Module], num_classes: int) -> nn.Module:
    return nn.Sequential(norm_layer(1, eps=1e-3), nn.Flatten(), nn.LazyLinear(num_classes))


class TwoHeads(nn.Module):
    """Gives a second output in training, as GoogLeNet does."""

    def __init__(self, norm_layer: Builder, num_classes: int) -> None:
        super().__init__()
        self.body = nn.Sequential(norm_layer(1), nn.Flatten(), nn.LazyLinear(num_classes))

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        return (self.body(x), self.body(x)) if self.training else self.body(x)


def no_memory(norm_layer: Builder, num_classes: int) -> nn.Module:
    raise MemoryError(f"no room for {norm_layer} and {num_classes}")


not_a_model = 3


def norms_inside(num_classes: int, in_chans: int) -> nn.Module:
    """A model whose norms are written into it."""
    return nn.Sequential(
        nn.Conv2d(in_chans, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.LocalResponseNorm(3),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, num_classes),
    )  # fmt: skip


def transformer(num_classes: int, in_chans: int) -> nn.Module:
    """A vision transformer: its norms are over the last axis."""
    patches = [nn.Conv2d(in_chans, 16, 2, 2), nn.Flatten(2), Permute(0, 2, 1)]
    return nn.Sequential(*patches, *encoder(16), nn.LayerNorm(16), Pooled(), nn.Linear(16, num_classes))


def frozen(num_classes: int, in_chans: int) -> nn.Module:
    return norms_inside(num_classes, in_chans).requires_grad_(False)


def returns_a_tuple(num_classes: int, in_chans: int) -> nn.Module:
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = norms_inside(num_classes, in_chans)

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, int]:
            return self.model(x), 1

    return Both()


def without_norms(num_classes: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(num_classes))


def two_classes() -> nn.Module:
    return norms_inside(2, 1)


def needs_a_width(width: int, num_classes: int) -> nn.Module:
    return norms_inside(num_classes, width)


def whole_norm(num_classes: int) -> nn.Module:
    return nn.Sequential(nn.LayerNorm((1, 8, 8)), nn.Flatten(), nn.Linear(64, num_classes))


def returns_nothing(num_classes: int) -> None:
    del num_classes


def dropout_network(norm_layer: Callable[[int], nn.Module], num_classes: int, in_chans: int) -> nn.Module:
    """Return a network that draws random numbers in training."""
    features = nn.Sequential(nn.Conv2d(in_chans, 8, 3), norm_layer(8), nn.ReLU(), nn.Flatten())
    return nn.Sequential(features, nn.Dropout(0.2), nn.LazyLinear(num_classes))


def returns_a_dict(num_classes: int, in_chans: int) -> nn.Module:
    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = norms_inside(num_classes, in_chans)

        def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"logits": self.model(x)}

    return Named()
