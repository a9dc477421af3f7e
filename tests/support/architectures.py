"""Small networks with the structure of public architectures, for tests that swap their norms."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

IMAGE, TOKENS = (2, 3, 32, 32), (2, 7)


def conv_norm(inputs: int, outputs: int, size: int = 3, stride: int = 1, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, stride, size // 2, groups=groups, bias=False), nn.BatchNorm2d(outputs)
    )


class Residual(nn.Module):
    def __init__(self, *parts: nn.Module, shortcut: nn.Module | None = None) -> None:
        super().__init__()
        self.body, self.shortcut = nn.Sequential(*parts), shortcut or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.shortcut(x) + self.body(x)


def head(channels: int) -> list[nn.Module]:
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10)]


def resnet() -> nn.Module:
    def block(inputs: int, outputs: int, stride: int) -> nn.Module:
        same = inputs == outputs
        return nn.Sequential(
            Residual(
                *conv_norm(inputs, outputs, stride=stride),
                nn.ReLU(inplace=True),
                *conv_norm(outputs, outputs),
                shortcut=None if same else conv_norm(inputs, outputs, 1, stride),
            ),
            nn.ReLU(inplace=True),
        )

    stem = [*conv_norm(3, 8, 7, 2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)]
    return nn.Sequential(*stem, block(8, 8, 1), block(8, 16, 2), *head(16))


def vgg_bn() -> nn.Module:
    def stage(inputs: int, outputs: int) -> list[nn.Module]:
        return [nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU(), nn.MaxPool2d(2)]

    return nn.Sequential(*stage(3, 8), *stage(8, 16), *head(16))


class DenseLayer(nn.Module):
    def __init__(self, inputs: int, growth: int) -> None:
        super().__init__()
        self.norm, self.conv = nn.BatchNorm2d(inputs), nn.Conv2d(inputs, growth, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.conv(functional.relu(self.norm(x)))], 1)


def densenet() -> nn.Module:
    layers = [DenseLayer(8 + 4 * i, 4) for i in range(3)]
    return nn.Sequential(*conv_norm(3, 8, 3, 2), nn.ReLU(), *layers, nn.BatchNorm2d(20), nn.ReLU(), *head(20))


class SqueezeExcite(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.reduce, self.expand = nn.Conv2d(channels, 4, 1), nn.Conv2d(4, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.expand(functional.relu(self.reduce(x.mean((2, 3), keepdim=True)))).sigmoid()


def mobilenet_v3() -> nn.Module:
    expand, depthwise, project = conv_norm(8, 16, 1), conv_norm(16, 16, groups=16), conv_norm(16, 8, 1)
    block = Residual(*expand, nn.Hardswish(), *depthwise, SqueezeExcite(16), nn.Hardswish(), *project)
    return nn.Sequential(*conv_norm(3, 8, 3, 2), nn.Hardswish(), block, *head(8))


class BatchNormAct2d(nn.BatchNorm2d):
    """Norm and activation in one, as timm has it."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.drop, self.act = nn.Identity(), nn.SiLU()

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        return self.act(self.drop(super().forward(input)))


def efficientnet() -> nn.Module:
    block = Residual(
        nn.Conv2d(8, 16, 1),
        BatchNormAct2d(16),
        nn.Conv2d(16, 16, 3, padding=1, groups=16),
        BatchNormAct2d(16),
        SqueezeExcite(16),
        *conv_norm(16, 8, 1),
    )
    return nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), BatchNormAct2d(8), block, *head(8))


class LayerNorm2d(nn.LayerNorm):
    """Over the channels of (N, C, H, W), as torchvision and timm have it."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        return super().forward(input.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Permute(nn.Module):
    def __init__(self, *order: int) -> None:
        super().__init__()
        self.order = order

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(self.order)


def convnext() -> nn.Module:
    to_last, to_first = Permute(0, 2, 3, 1), Permute(0, 3, 1, 2)
    mlp = [nn.LayerNorm(8), nn.Linear(8, 32), nn.GELU(), nn.Linear(32, 8)]
    block = Residual(nn.Conv2d(8, 8, 7, padding=3, groups=8), to_last, *mlp, to_first)
    return nn.Sequential(nn.Conv2d(3, 8, 4, 4), LayerNorm2d(8), block, *head(8))


class Attention(nn.Module):
    def __init__(self, width: int, heads: int = 2) -> None:
        super().__init__()
        self.attend = nn.MultiheadAttention(width, heads, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.attend(x, x, x, need_weights=False)[0]


def encoder(width: int, norm: Callable[[int], nn.Module] = nn.LayerNorm) -> list[nn.Module]:
    mlp = [norm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)]
    return [Residual(norm(width), Attention(width)), Residual(*mlp)]


class Pooled(nn.Module):
    """The mean over the tokens."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(1)


def vit() -> nn.Module:
    patches = [nn.Conv2d(3, 16, 8, 8), nn.Flatten(2), Permute(0, 2, 1)]
    return nn.Sequential(*patches, *encoder(16), *encoder(16), nn.LayerNorm(16), Pooled(), nn.Linear(16, 10))


class Windows(nn.Module):
    """Attention within windows of 4 x 4 tokens of (N, H, W, C)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.attention = Attention(width)

    def forward(self, x: Tensor) -> Tensor:
        n, h, w, c = x.shape
        parts = x.view(n, h // 4, 4, w // 4, 4, c).transpose(2, 3).reshape(-1, 16, c)
        return self.attention(parts).view(n, h // 4, w // 4, 4, 4, c).transpose(2, 3).reshape(n, h, w, c)


def swin() -> nn.Module:
    patches = [nn.Conv2d(3, 8, 4, 4), Permute(0, 2, 3, 1), nn.LayerNorm(8)]
    blocks = [Residual(nn.LayerNorm(8), Windows(8)), Residual(nn.LayerNorm(8), nn.Linear(8, 8))]
    return nn.Sequential(*patches, *blocks, nn.LayerNorm(8), Permute(0, 3, 1, 2), *head(8))


class UNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down, self.middle = nn.Sequential(*self._pair(3, 8)), nn.Sequential(*self._pair(8, 16))
        self.up, self.end = nn.ConvTranspose2d(16, 8, 2, 2), nn.Sequential(*self._pair(16, 8), nn.Conv2d(8, 2, 1))

    def _pair(self, inputs: int, outputs: int) -> list[nn.Module]:
        return [nn.Conv2d(inputs, outputs, 3, padding=1), nn.InstanceNorm2d(outputs, affine=True), nn.LeakyReLU()]

    def forward(self, x: Tensor) -> Tensor:
        down = self.down(x)
        return self.end(torch.cat([down, self.up(self.middle(functional.max_pool2d(down, 2)))], 1))


class LlamaRMSNorm(nn.Module):
    """As Hugging Face's transformers have it: a weight and `variance_epsilon`."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight, self.variance_epsilon = nn.Parameter(torch.ones(width)), 1e-6

    def forward(self, hidden_states: Tensor) -> Tensor:
        variance = hidden_states.float().pow(2).mean(-1, keepdim=True)
        return self.weight * (hidden_states * torch.rsqrt(variance + self.variance_epsilon)).to(
            hidden_states.dtype
        )


class GemmaRMSNorm(LlamaRMSNorm):
    """Its gain is 1 + weight."""

    def forward(self, hidden_states: Tensor) -> Tensor:
        return super().forward(hidden_states) / self.weight * (1 + self.weight)


def bert() -> nn.Module:
    layers = [Residual(Attention(16)), nn.LayerNorm(16), Residual(nn.Linear(16, 16)), nn.LayerNorm(16)]
    return nn.Sequential(nn.Embedding(50, 16), nn.LayerNorm(16), *layers)


def llama() -> nn.Module:
    return nn.Sequential(nn.Embedding(50, 16), *encoder(16, LlamaRMSNorm), LlamaRMSNorm(16))


class LayerNormLSTM(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.cell, self.norm = nn.Embedding(50, 8), nn.LSTMCell(8, 16), nn.LayerNorm(16)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed(tokens)
        h = c = x.new_zeros(len(x), 16)
        for step in range(x.shape[1]):
            h, c = self.cell(x[:, step], (h, c))
            h = self.norm(h)
        return h


class AdaptiveInstanceNorm(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm, self.style = nn.InstanceNorm2d(channels), nn.Linear(4, 2 * channels)

    def forward(self, x: Tensor) -> Tensor:
        gain, bias = self.style(x.new_ones(len(x), 4))[..., None, None].chunk(2, 1)
        return gain * self.norm(x) + bias


def stylegan() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), AdaptiveInstanceNorm(8), nn.LeakyReLU(), nn.Upsample(scale_factor=2),
        nn.Conv2d(8, 8, 3, padding=1), AdaptiveInstanceNorm(8),
    )  # fmt: skip


def alexnet() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 5, 2), nn.ReLU(), nn.LocalResponseNorm(5, k=2.0), nn.MaxPool2d(3, 2),
        nn.Conv2d(8, 16, 3), nn.ReLU(), nn.CrossMapLRN2d(5, k=2.0), *head(16),
    )  # fmt: skip


Architecture = tuple[Callable[[], nn.Module], int]
ARCHITECTURES: dict[str, Architecture] = {
    "ResNet": (resnet, 6),
    "VGG-BN": (vgg_bn, 2),
    "DenseNet": (densenet, 5),
    "MobileNetV3": (mobilenet_v3, 4),
    "EfficientNet": (efficientnet, 4),
    "ConvNeXt": (convnext, 2),
    "ViT": (vit, 5),
    "Swin": (swin, 4),
    "U-Net": (UNet, 3),
    "BERT": (bert, 3),
    "Llama": (llama, 3),
    "LSTM": (LayerNormLSTM, 1),
    "StyleGAN": (stylegan, 2),
    "AlexNet": (alexnet, 2),
}
"""By name: what builds the network, and how many normalization layers it has."""
TEXT = ("BERT", "Llama", "LSTM")


def example(name: str) -> Tensor:
    """Return an input of an architecture."""
    generator = torch.Generator().manual_seed(0)
    if name in TEXT:
        return torch.randint(50, TOKENS, generator=generator)
    return torch.randn(IMAGE, generator=generator)


def build(name: str, **arguments: Any) -> nn.Module:
    """Return an architecture whose gains and running statistics are no longer those of a new one."""
    torch.manual_seed(0)
    model = partial(ARCHITECTURES[name][0], **arguments)()
    for parameter in model.parameters():
        if parameter.ndim == 1:
            nn.init.uniform_(parameter, 0.5, 1.5)
    with torch.no_grad():
        model(example(name))
    return model
