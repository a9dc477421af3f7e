"""Swap the norms of models of torchvision, timm and transformers, and write the table of docs/library-models.md.

Run it in an environment of its own, because torchvision needs another build of torch:
``pip install torch==2.14.1 torchvision==0.29.1 timm transformers . && python tools/library_models.py``.
Models are built without weights; nothing is downloaded.
"""

from __future__ import annotations

import argparse
import platform
import sys
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from localnorm.lab.models.libraries import from_library
from localnorm.torch import swap_norms

IMAGE_MODELS = {
    "torchvision": [
        "resnet18", "resnext50_32x4d", "wide_resnet50_2", "vgg11_bn", "densenet121", "mobilenet_v2",
        "mobilenet_v3_small", "efficientnet_b0", "efficientnet_v2_s", "convnext_tiny", "vit_b_16", "swin_t",
        "swin_v2_t", "maxvit_t", "regnet_y_400mf", "mnasnet0_5", "shufflenet_v2_x0_5", "googlenet",
        "inception_v3",
    ],
    "timm": [
        "resnet18", "resnetv2_50", "efficientnet_b0", "tf_efficientnetv2_b0", "mobilenetv3_small_100",
        "convnext_atto", "convnextv2_atto", "vit_tiny_patch16_224", "deit_tiny_patch16_224",
        "swin_tiny_patch4_window7_224", "mixer_s16_224", "regnety_002", "densenet121", "ghostnet_100",
        "edgenext_xx_small", "poolformer_s12", "coatnet_nano_rw_224", "maxvit_tiny_tf_224",
        "eva02_tiny_patch14_224", "nfnet_f0", "visformer_tiny", "levit_128s",
    ],
    "hf": [
        "vit", "convnext", "convnextv2", "swin", "efficientnet", "beit", "resnet", "mobilenet_v2", "dinov2",
    ],
}  # fmt: skip
TEXT_MODELS = ["bert", "roberta", "distilbert", "gpt2", "llama", "mistral", "qwen2", "gemma", "t5", "mamba"]
SMALL = {
    "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "intermediate_size": 128, "vocab_size": 100, "head_dim": 16, "n_embd": 64, "n_layer": 2, "n_head": 4,
    "dim": 64, "n_layers": 2, "n_heads": 4, "hidden_dim": 128, "d_model": 64, "d_ff": 128, "num_layers": 2,
    "num_heads": 4, "d_kv": 16, "max_position_embeddings": 64, "pad_token_id": 0, "eos_token_id": 1,
    "bos_token_id": 2,
}  # fmt: skip
TO = "group"
PAGE = Path("docs/library-models.md")


def text_model(name: str) -> nn.Module:
    """Return a small language model of transformers, which gives its last hidden state."""
    import transformers

    config = transformers.AutoConfig.for_model(name)
    for key, value in SMALL.items():
        if hasattr(config, key):
            setattr(config, key, value)
    with suppress(AttributeError):  # not all have the list, or let it be set
        config.layer_types = config.layer_types[: config.num_hidden_layers]
    model: nn.Module = transformers.AutoModel.from_config(config)
    return Hidden(model, decoder=getattr(config, "is_encoder_decoder", False))


class Hidden(nn.Module):
    """A language model that returns its last hidden state alone."""

    def __init__(self, model: nn.Module, *, decoder: bool) -> None:
        super().__init__()
        self.model, self.decoder = model, decoder

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the last hidden state."""
        more = {"decoder_input_ids": tokens} if self.decoder else {}
        hidden: Tensor = self.model(tokens, **more).last_hidden_state
        return hidden


def scores(output: Any) -> Tensor:
    """Return the first tensor of an output."""
    if isinstance(output, Tensor):
        return output
    return scores(next(iter(output.values() if isinstance(output, dict) else output)))


def row(label: str, model: nn.Module, x: Tensor) -> list[str]:
    """Swap, run forward and backward, restore; return the cells of the table."""
    model.eval()
    with torch.no_grad():
        before = scores(model(x))
    report = swap_norms(model, TO, example=x)
    kinds = ", ".join(sorted({layer.kind for layer in report}))
    model.train()
    result = scores(model(x))
    result.float().sum().backward()
    with torch.no_grad():
        changed = not torch.equal(scores(model.eval()(x)), before)
        report.restore()
        same = torch.equal(scores(model.eval()(x)), before)
    ran = "yes" if bool(result.isfinite().all()) else "not finite"
    swapped = "yes" if changed or not report else "no"
    return [label, str(len(report)), kinds or "-", str(len(report.left)), ran, swapped, "yes" if same else "NO"]


def main() -> None:
    """Build every model, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="only models whose label contains one of these")
    chosen = parser.parse_args().names
    rows = []
    jobs = [(f"{prefix}:{name}", None) for prefix, names in IMAGE_MODELS.items() for name in names]
    jobs += [(f"hf:{name}, text", name) for name in TEXT_MODELS]
    failed = 0
    for label, text in jobs:
        if chosen and not any(part in label for part in chosen):
            continue
        torch.manual_seed(0)
        side = 299 if "inception" in label else 224
        try:
            if text:
                rows.append(row(label, text_model(text), torch.randint(3, 100, (2, 12))))
            else:
                make: Any = from_library(label)
                size = {} if label.startswith("torchvision") else {"img_size": side}
                rows.append(row(label, make(num_classes=10, in_chans=3, **size), torch.randn(2, 3, side, side)))
        except Exception as problem:  # noqa: BLE001  the table says what failed
            failed += 1
            rows.append([label, "-", f"{type(problem).__name__}: {str(problem)[:90]}", "-", "NO", "-", "-"])
        print(" | ".join(rows[-1]), flush=True)
    if not chosen:
        write(rows)
    print(f"{len(rows)} models, {failed} failed")
    sys.exit(failed > 0)


def write(rows: list[list[str]]) -> None:
    """Write the page."""
    head = ["model", "swapped", "kinds", "left", "forward and backward", "output changed", "restored bit for bit"]
    lines = ["| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *rows)]
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "torchvision", "timm", "transformers"))
    PAGE.write_text(
        "# Models of other libraries\n\n"
        "`localnorm.torch.swap_norms` on models of torchvision, timm and transformers, built without weights, "
        f"every norm swapped for `{TO}`: layers swapped and left, whether forward and backward ran, whether the "
        "output changed, and whether `restore()` gave the same output bit for bit.\n\n"
        f"Written by `python tools/library_models.py`; Python {platform.python_version()}, {packages}.\n\n"
        + "\n".join(lines) + "\n",
        encoding="utf-8",
    )  # fmt: skip


if __name__ == "__main__":
    main()
