"""Write the norm of a setting as a line of code."""

from __future__ import annotations

from localnorm.lab.tuning.tuning import Setting
from localnorm.spec import LRNSpec

_AXES = {0: "1d", 1: "1d", 2: "2d", 3: "3d"}


def code_line(setting: Setting, dims: int) -> str:
    """Return an expression that builds the norm, with the name `num_channels` for its number of channels.

    Args:
        setting: norm and hyperparameters.
        dims: number of axes after (N, C) of the norm's input.

    Example:
        >>> code_line(Setting("local", 1e-3, (("alpha", 0.1), ("beta", 0.5), ("k", 1.0), ("n", 5.0))), dims=2)
        'localnorm.torch.LocalResponseNorm(5, alpha=0.5, beta=0.5, k=1.0)'
        >>> code_line(Setting("batch", 1e-3), dims=2)
        'torch.nn.BatchNorm2d(num_channels)'
    """
    values = dict(setting.settings)
    if setting.norm in ("local", "local-learned"):
        window = int(values.pop("n", 5))
        arguments = LRNSpec.from_paper(window, **values).to_torch()
        # Torch's alpha is n times the paper's; rounding removes the error of the product.
        arguments["alpha"] = float(f"{arguments['alpha']:.12g}")
        size = arguments.pop("size")
        learned = ", learnable=True" if setting.norm == "local-learned" else ""
        return f"localnorm.torch.LocalResponseNorm({size}, {_keywords(arguments)}{learned})"
    if setting.norm == "group":
        # As in `localnorm.lab.norms`: as many groups as divide both.
        groups = int(values.pop("groups", 8))
        return _call("torch.nn.GroupNorm", f"math.gcd({groups}, num_channels), num_channels", values)
    if setting.norm in _TORCH_NN:
        name, arguments_before, rest = _TORCH_NN[setting.norm]
        return _call(name.format(axes=_AXES[dims]), arguments_before, {**values, **rest})
    return f"localnorm.lab.norms.find_norm({setting.norm!r}).builder({dims}, {setting.settings!r})(num_channels)"


_TORCH_NN: dict[str, tuple[str, str, dict[str, object]]] = {
    "none": ("torch.nn.Identity", "", {}),
    "batch": ("torch.nn.BatchNorm{axes}", "num_channels", {}),
    "layer": ("torch.nn.GroupNorm", "1, num_channels", {}),
    "instance": ("torch.nn.InstanceNorm{axes}", "num_channels", {"affine": True}),
}


def _call(name: str, before: str, keywords: dict[str, object] | dict[str, float]) -> str:
    return f"{name}({', '.join(filter(None, (before, _keywords(keywords))))})"


def _keywords(arguments: dict[str, object] | dict[str, float]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in arguments.items())
