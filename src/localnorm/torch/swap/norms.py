"""`swap_norms`: swap the normalization layers of any model for another kind, and restore them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from localnorm.errors import LabError, ModelError, UnknownNameError
from localnorm.spelling import nearest
from localnorm.torch.module import LocalResponseNorm
from localnorm.torch.norm_layers import ARTICLE_SPEC, BUILDERS
from localnorm.torch.swap.adapters import AnyRankNorm, NormActivation, TokenNorm
from localnorm.torch.swap.norm_sites import BY_NAME, NormSite, activation, describe, find_norms, refuse_scripted
from localnorm.torch.swap.report import LeftLayer, SwappedLayer, SwapReport

Builder = Callable[[int], nn.Module]
To = str | Builder
Only = Iterable[str] | Callable[[str, nn.Module], bool]

_WITHOUT_CHANNELS = ("none", "local", "local-learned")
"""Norms whose builders need no number of channels."""
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
_HOOK_OPTIONS = ("_forward_hooks_with_kwargs", "_forward_hooks_always_called", "_forward_pre_hooks_with_kwargs")


def swap_norms(
    model: nn.Module,
    to: To | Mapping[str, To],
    *,
    keep_affine: bool = True,
    only: Only | None = None,
    example: Any = None,  # noqa: ANN401  what the model takes
) -> SwapReport:
    """Swap the normalization layers of a model for another kind; the model itself is changed.

    Found are BatchNorm1d to 3d, SyncBatchNorm, torchvision's FrozenBatchNorm2d, GroupNorm, InstanceNorm1d to 3d,
    LayerNorm, RMSNorm, LocalResponseNorm, CrossMapLRN2d, GDN, the lazy ones, timm's LayerNorm2d and its layers of
    norm and activation (the activation stays), and classes named ``*RMSNorm`` or ``*LayerNorm`` with one weight
    per channel, such as Hugging Face's; in the tree of modules, and in lists, tuples and dicts beside it. A layer
    that is in several places stays one layer. Calls of ``torch.nn.functional`` in a ``forward`` are not seen.

    By name a norm fits the layout of the layer that it replaces. Over the last axis, as in transformers,
    ``layer``, ``rms``, ``group`` and ``local`` normalize each token by itself, and ``batch`` takes its statistics
    over all tokens of the batch; ``instance`` is refused there. A builder's module gets the input as it is.

    The new layers have the device, the dtype, the training flag, the forward and backward hooks of the old ones,
    and require a gradient if the parameters of the old one do.

    Args:
        model: any module that holds normalization layers.
        to: ``none``, ``local``, ``local-learned``, ``batch``, ``layer``, ``instance``, ``group`` or ``rms``; or
            ``builder(num_channels) -> Module``; or a dict from the name of a layer to one of these.
        keep_affine: copy gain and bias where the new layer has them, one for each channel; default True.
        only: names of layers or of modules that hold them, or ``only(name, layer) -> bool``; default all.
        example: an input of the model, or a tuple of inputs: needed if a layer does not tell its number of
            channels, as LRN and lazy layers do, and the new norm must know it. The model is run on it once.

    Returns:
        The layers swapped, and those left with the reason; it prints as a table. ``report.restore()`` puts the old
        layers back.

    Raises:
        ModelError: `model` is no module, or is itself a normalization layer; part of it is scripted; a name in
            `only` or `to` is no normalization layer of it; a number of channels is unknown; the norm makes no
            sense in a place (a ValueError). Then nothing has been swapped.
        UnknownNameError: no norm of that name (a ValueError).

    Example:
        >>> model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU())
        >>> report = swap_norms(model, "group")
        >>> report
        1 layer swapped
        name  kind         new
        1     BatchNorm2d  GroupNorm
        >>> report.restore()
        1 layer restored
        >>> model[1]
        BatchNorm2d(8, ...)
    """
    if not isinstance(to, Mapping):
        _check_norm(to)
    sites = _chosen(model, to, only)

    def build(site: NormSite) -> nn.Module:
        norm = to[site.name] if isinstance(to, Mapping) else to
        if isinstance(norm, str):
            return _by_name(norm, site)
        return norm(_known_channels(site))

    needed = [s for s in sites if s.channels is None and not s.problem and _needs_channels(to, s)]
    if needed:
        _record_channels(model, needed, example)
    return swap(sites, build, keep_affine=keep_affine, model=model)


def swap(
    sites: Sequence[NormSite],
    build: Callable[[NormSite], nn.Module],
    *,
    model: nn.Module,
    keep_affine: bool = True,
) -> SwapReport:
    """Swap the layers at these sites of a model for what `build` returns.

    Args:
        sites: those of `find_norms`.
        build: returns the new layer of a site.
        model: the model, for device, dtype and gradients of layers that have no parameters.
        keep_affine: copy gain and bias.

    Raises:
        ModelError: a norm makes no sense in a place.
    """
    new_layers: list[tuple[NormSite, nn.Module, str]] = []
    left = [LeftLayer(site.name, type(site.layer).__name__, site.problem) for site in sites if site.problem]
    for site in sites:
        if site.problem:
            continue
        try:
            norm = build(site)
        except LabError as problem:
            raise ModelError(f"{site.name}, {type(site.layer).__name__}, can't be swapped: {problem}") from problem
        note = _settle(norm, site, model, keep_affine=keep_affine)
        rest = activation(site.layer)
        new = NormActivation(norm, rest) if rest else norm
        new.train(site.layer.training)
        _carry_hooks(site.layer, new)
        new_layers.append((site, new, note))
    rows, undo = [], []
    for site, new, note in new_layers:
        undo.append((site.layer, new, tuple(site.puts)))
        also = f"also at {', '.join(site.also)}" if site.also else ""
        norm = _inner(new.norm if isinstance(new, NormActivation) else new)
        shown = type(norm).__name__ + (" and activation" if isinstance(new, NormActivation) else "")
        notes = "; ".join(filter(None, (also, site.note, note)))
        rows.append(SwappedLayer(site.name, type(site.layer).__name__, None, notes, shown))
    return SwapReport(_summary(len(rows), len(left)), tuple(rows), tuple(left), tuple(undo)).swapped()


def swap_each(model: nn.Module, norm_layer: Builder, example: Tensor) -> SwapReport:
    """Swap every normalization layer for a new one of a builder of norms for (N, C, H, W), with new gain and bias.

    Args:
        model: the model.
        norm_layer: ``norm_layer(num_channels) -> Module``.
        example: an input of the model, which is run if a layer does not tell its number of channels.
    """
    sites = _chosen(model, norm_layer, None)
    if needed := [site for site in sites if site.channels is None and not site.problem]:
        _record_channels(model, needed, example)
    return swap(
        sites, lambda site: adapted(norm_layer(_known_channels(site)), site), model=model, keep_affine=False
    )


def adapted(norm: nn.Module, site: NormSite) -> nn.Module:
    """Return a norm for (N, C, H, W) as one for the input of a site."""
    if site.layout == "channels last":
        return TokenNorm(norm)
    return norm if site.dims == 2 else AnyRankNorm(norm)


def _summary(swapped: int, left: int) -> str:
    if not swapped and not left:
        return "nothing to swap: no normalization layer in the tree of modules"
    text = f"{swapped} layer{'' if swapped == 1 else 's'} swapped"
    return text + (f", {left} left" if left else "")


def _check_norm(norm: object) -> None:
    if isinstance(norm, str):
        if norm not in BUILDERS:
            raise UnknownNameError(
                f"a norm must be one of {', '.join(BUILDERS)}, got {norm!r}; {nearest(norm, BUILDERS)}"
            )
    elif not callable(norm):
        raise ModelError(
            f"to must be the name of a norm, a builder(num_channels) or a dict by layer name, got {norm!r}; pass "
            "e.g. 'group'."
        )


def _chosen(model: nn.Module, to: object, only: Only | None) -> list[NormSite]:
    """Return the sites to swap, after checking every name."""
    sites = find_norms(model)
    refuse_scripted(model)
    if describe("model", model):
        raise ModelError(
            f"swap_norms changes a model that holds layers, got the layer {model} itself; pass the model around "
            "it."
        )
    names = [site.name for site in sites]
    if isinstance(to, Mapping):
        for name, norm in to.items():
            _check_norm(norm)
            if name not in names:
                raise ModelError(
                    f"to must map names of normalization layers, got {name!r}; {nearest(str(name), names)}"
                )
        sites = [site for site in sites if site.name in to]
    if only is None:
        return sites
    if callable(only):
        return [site for site in sites if only(site.name, site.layer)]
    chosen = [only] if isinstance(only, str) else list(only)
    for name in chosen:
        if not any(_within(site, name) for site in sites):
            raise ModelError(
                f"only must name normalization layers or modules that hold them, got {name!r}; "
                f"{nearest(str(name), names)}"
            )
    return [site for site in sites if any(_within(site, name) for name in chosen)]


def _within(site: NormSite, name: str) -> bool:
    return any(held == name or held.startswith(f"{name}.") for held in (site.name, *site.also))


def _needs_channels(to: To | Mapping[str, To], site: NormSite) -> bool:
    norm = to[site.name] if isinstance(to, Mapping) else to
    return norm not in _WITHOUT_CHANNELS


def _known_channels(site: NormSite) -> int:
    if site.channels is None:
        raise ModelError(
            f"{site.name} does not tell its number of channels; pass example=, an input of the model."
        )
    return site.channels


def _record_channels(model: nn.Module, sites: Sequence[NormSite], example: object) -> None:
    """Run the model once and note the channels that reach layers that do not tell."""
    if example is None:
        site = sites[0]
        raise ModelError(
            f"{site.name}, {type(site.layer).__name__}, does not tell its number of channels, which the new norm "
            "needs; pass example=, an input of the model."
        )
    handles = []
    for site in sites:

        def note(_: nn.Module, inputs: tuple[Tensor, ...], site: NormSite = site) -> None:
            site.channels = inputs[0].shape[1 if site.layout == "channels first" else -1]

        handles.append(site.layer.register_forward_pre_hook(note))
    modes = {module: module.training for module in model.modules()}
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            model.eval()
            model(*example) if isinstance(example, tuple) else model(example)
    finally:
        for handle in handles:
            handle.remove()
        for module, training in modes.items():
            module.training = training
    for site in sites:
        if site.channels is None:
            site.problem = "the model did not call it on the example, so its number of channels is unknown"


def _by_name(name: str, site: NormSite) -> nn.Module:
    """Return a norm of the registry for the layout of a site."""
    channels = 1 if name in _WITHOUT_CHANNELS else _known_channels(site)
    if site.layout == "channels last":
        if name == "layer":
            return nn.LayerNorm(channels)
        if name == "rms":
            return nn.RMSNorm(channels, eps=1e-5)
        if name in ("local", "local-learned"):
            return LocalResponseNorm.from_spec(ARTICLE_SPEC, dim=-1, learnable=name == "local-learned")
        return BUILDERS[name](channels, 2) if name == "none" else TokenNorm(BUILDERS[name](channels, 2))
    if (name == "batch" and site.dims is None) or (name == "instance" and site.dims in (None, 1)):
        return AnyRankNorm(BUILDERS[name](channels, 2))
    return BUILDERS[name](channels, 2 if site.dims is None else site.dims)


def _carry_hooks(old: nn.Module, new: nn.Module) -> None:
    """Register the forward and backward hooks of a layer on the new one; their handles still remove them."""
    if getattr(new, "_is_full_backward_hook", None) is None:
        new._is_full_backward_hook = old._is_full_backward_hook  # noqa: SLF001
    for name in (*_HOOKS, *_HOOK_OPTIONS):
        if getattr(new, name):
            getattr(new, name).update(getattr(old, name))
        else:
            setattr(new, name, getattr(old, name))


def _settle(norm: nn.Module, site: NormSite, model: nn.Module, *, keep_affine: bool) -> str:
    """Give a new norm the device, dtype, gradients and, if they mean the same, gain and bias of the old layer."""
    old = site.layer
    tensors = [t for t in (*old.parameters(), *old.buffers()) if t.is_floating_point()]
    like = tensors[0] if tensors else next((p for p in model.parameters() if p.is_floating_point()), None)
    if like is not None:
        norm.to(device=like.device, dtype=like.dtype)
    trained = list(old.parameters()) or list(model.parameters())
    if trained and not any(parameter.requires_grad for parameter in trained):
        norm.requires_grad_(False)
    if not keep_affine:
        return ""
    target = _inner(norm)
    dropped = []
    for name, word in (("weight", "gain"), ("bias", "bias")):
        value, place = getattr(old, name, None), getattr(target, name, None)
        if not isinstance(value, Tensor) or is_lazy(value):
            continue
        if isinstance(place, Tensor) and place.shape == value.shape and _is_gain(site, old, name):
            with torch.no_grad():
                place.copy_(value)
        elif value.is_meta or not bool((value == (1 if name == "weight" else 0)).all()):
            dropped.append(word)
    return f"{' and '.join(dropped)} dropped" if dropped else ""


def _inner(norm: nn.Module) -> nn.Module:
    """Return the norm inside an adapter, or the norm itself."""
    return norm.norm if isinstance(norm, TokenNorm | AnyRankNorm) else norm


def _is_gain(site: NormSite, layer: nn.Module, name: str) -> bool:
    """Return whether the weight multiplies: a layer known by its name alone may multiply by 1 + weight."""
    if name == "bias" or not site.note.startswith(BY_NAME):
        return True
    zero: Any = copy.deepcopy(layer)
    last = site.layout == "channels last"
    with torch.no_grad():
        ones = torch.ones_like(zero.weight).reshape((1, 1, -1) if last else (1, -1, 1, 1))
        for parameter in zero.parameters():
            parameter.zero_()
        result = zero(ones)
        # Without values it can't be told, and a new gain of 1 is no harm before there are any.
        return not result.is_meta and not bool(result.any())
