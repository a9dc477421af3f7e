"""Train a small image codec with GDN and its inverse, as in learned image compression, beside one with ReLU.

    python examples/gdn.py

The codec compresses scikit-learn's handwritten digits, 64 numbers each, to 8 numbers, which are rounded at test
time. In training, noise replaces the rounding (Balle, Laparra and Simoncelli, 2017).
"""

from __future__ import annotations

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

from localnorm.torch import GDN, IGDN

CODE = 8


class Codec(nn.Module):
    """Encoder and decoder of one hidden layer, with the given nonlinearities."""

    def __init__(self, encode: nn.Module, decode: nn.Module) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(64, 32), encode, nn.Linear(32, CODE))
        self.decoder = nn.Sequential(nn.Linear(CODE, 32), decode, nn.Linear(32, 64))

    def forward(self, x: Tensor) -> Tensor:
        """Return the reconstruction of x from the rounded code."""
        code: Tensor = self.encoder(x)
        noisy = code + torch.rand_like(code) - 0.5
        reconstruction: Tensor = self.decoder(noisy if self.training else code.round())
        return reconstruction


def train(codec: Codec, images: Tensor, steps: int) -> None:
    """Minimize the squared error with Adam."""
    optimizer = torch.optim.Adam(codec.parameters(), lr=1e-2)
    codec.train()
    for _ in range(steps):
        batch = images[torch.randint(len(images), (128,))]
        loss = nn.functional.mse_loss(codec(batch), batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def main() -> None:
    """Print the error of both codecs on images that they were not trained with."""
    torch.set_num_threads(1)  # the network is too small for more
    images = torch.as_tensor(load_digits().data, dtype=torch.float32) / 16
    training, test = images[:1500], images[1500:]
    variance = test.var(0).mean()
    for name, encode, decode in (("ReLU", nn.ReLU(), nn.ReLU()), ("GDN", GDN(32), IGDN(32))):
        torch.manual_seed(0)
        codec = Codec(encode, decode)
        train(codec, training, steps=400)
        codec.eval()
        with torch.no_grad():
            error = nn.functional.mse_loss(codec(test), test) / variance
        print(f"{name:4} reconstruction error: {100 * error:.0f} % of the variance")


if __name__ == "__main__":
    main()
