"""A small feed-forward stylizer of grey images."""

from __future__ import annotations

from torch import Tensor, nn

from localnorm.lab.norms import Builder


class _Residual(nn.Module):
    """Residual block: x + norm(conv(relu(norm(conv(x)))))."""

    def __init__(self, norm_layer: Builder, width: int) -> None:
        super().__init__()
        self.change = nn.Sequential(
            _conv(width, width), norm_layer(width), nn.ReLU(), _conv(width, width), norm_layer(width)
        )

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = x + self.change(x)
        return result


def _conv(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    # Zero padding would be an edge, which would appear around every image.
    return nn.Conv2d(inputs, outputs, 3, stride, 1, padding_mode="reflect")


def stylizer(norm_layer: Builder, *, width: int = 32, blocks: int = 2) -> nn.Module:
    """Return conv, conv of stride 2, residual blocks, upsampling, conv, conv, with a norm after all but the last.

    After Ulyanov, Vedaldi and Lempitsky, "Improved Texture Networks", 2017; theirs is wider, deeper and
    downsamples twice.

    Args:
        norm_layer: ``norm_layer(num_channels) -> Module`` for inputs of rank 4.
        width: channels of every layer but the last.
        blocks: number of residual blocks, at half the resolution.

    Returns:
        A module from images of shape (N, 1, H, W) to images of that shape in (0, 1); H and W are even.

    Example:
        >>> stylizer(nn.InstanceNorm2d)(__import__("torch").zeros(2, 1, 16, 16)).shape
        torch.Size([2, 1, 16, 16])
    """
    return nn.Sequential(
        _conv(1, width),
        norm_layer(width),
        nn.ReLU(),
        _conv(width, width, stride=2),
        norm_layer(width),
        nn.ReLU(),
        *(_Residual(norm_layer, width) for _ in range(blocks)),
        nn.Upsample(scale_factor=2),
        _conv(width, width),
        norm_layer(width),
        nn.ReLU(),
        _conv(width, 1),
        nn.Sigmoid(),
    )
