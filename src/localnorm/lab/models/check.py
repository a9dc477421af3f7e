"""Check a user-defined model before it is trained: shapes, classes, and whether it applies its norms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from localnorm.errors import LocalnormError, ModelError
from localnorm.lab.norms import Builder

_BATCH = 2


def check_model(
    name: str,
    make: Callable[[Builder], nn.Module],
    norm_layer: Builder,
    shape: tuple[int, int, int],
    classes: int,
) -> None:
    """Build the model once and pass a batch of two black images through it, in evaluation and in training mode.

    Torch's random state is restored.

    Args:
        name: the model's name, for the messages.
        make: ``make(norm_layer) -> Module``.
        norm_layer: ``norm_layer(num_channels) -> Module``.
        shape: channels, height and width of the images.
        classes: number of classes.

    Raises:
        ModelError: see `localnorm.lab.models.registry.ImageModel.build`.
    """
    applied: list[int] = []
    images = torch.zeros(_BATCH, *shape)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        try:
            model = make(_checked(name, norm_layer, applied))
            outputs = {"evaluation": model.eval()(images), "training": model.train()(images)}
            trainable = any(parameter.requires_grad for parameter in model.parameters())
        except (LocalnormError, MemoryError, torch.OutOfMemoryError):
            raise
        except Exception as problem:
            raise ModelError(
                f"a model must take images of shape {tuple(images.shape)} and give {classes} scores each, "
                f"got {type(problem).__name__} from {name}: {problem}; see docs/bring-your-own.md, 'A model'."
            ) from problem
    for mode, output in outputs.items():
        got = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        if got != (_BATCH, classes):
            advice = "give it an argument num_classes that decides their number"
            if not isinstance(output, Tensor):
                advice = "wrap it in a module that returns the scores alone, as output[0] or output['logits']"
            raise ModelError(
                f"a model must give scores of shape {(_BATCH, classes)} for {_BATCH} images, got {got} in {mode} "
                f"from {name}; {advice}."
            )
    if not trainable:
        raise ModelError(
            f"a model must have parameters to train, got {name}, in which all are frozen; set requires_grad to "
            "True for those to train, at least the last layer's."
        )
    if not applied:
        raise ModelError(
            f"a model must apply the norms it gets from norm_layer, got {name}, which applied none: every norm "
            "would train the same network; call norm_layer for every norm."
        )


def placed(norm_layer: Builder) -> Callable[..., nn.Module]:
    """Return the builder with timm's further arguments, the device and the dtype of the norm.

    Args:
        norm_layer: ``norm_layer(num_channels) -> Module``.

    Example:
        >>> placed(nn.BatchNorm2d)(8, device=None, dtype=torch.float64).weight.dtype
        torch.float64
    """

    def build(
        num_channels: int, *, device: torch.device | None = None, dtype: torch.dtype | None = None
    ) -> nn.Module:
        return norm_layer(num_channels).to(device=device, dtype=dtype)

    return build


def keeps_shape(name: str, norm_layer: Builder) -> Builder:
    """Return a builder of norms that raise if they change the shape of their input.

    Args:
        name: of the model or task, for the message.
        norm_layer: ``norm_layer(num_channels) -> Module``.

    Example:
        >>> norm = keeps_shape("mine", lambda num_channels: nn.Flatten())(8)
        >>> norm(torch.zeros(2, 8, 4))
        Traceback (most recent call last):
        localnorm.errors.ModelError: a norm must keep the shape of its input, got (2, 32) for (2, 8, 4) in ...
    """

    def after(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:  # noqa: ARG001
        if output.shape != inputs[0].shape:
            raise ModelError(
                f"a norm must keep the shape of its input, got {tuple(output.shape)} for "
                f"{tuple(inputs[0].shape)} in {name}; the norm is at fault, not the model."
            )

    def build(num_channels: int) -> nn.Module:
        norm = norm_layer(num_channels)
        norm.register_forward_hook(after)
        return norm

    return build


def _checked(name: str, norm_layer: Builder, applied: list[int]) -> Builder:
    """Return a builder of norms that check their inputs and outputs, and record each use in `applied`."""

    def build(num_channels: int, *more: Any, **named: Any) -> nn.Module:  # noqa: ANN401  arguments of the model
        placement = {key: named.pop(key) for key in ("device", "dtype") if key in named}
        if more or named:
            raise ModelError(
                f"norm_layer must be called with the number of channels and nothing else, got {(*more, *named)} "
                f"more in {name}; drop arguments that only one norm has."
            )

        def before(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:  # noqa: ARG001
            got = tuple(inputs[0].shape)
            if len(got) != 4 or got[1] != num_channels:
                raise ModelError(
                    f"a norm for {num_channels} channels must get features of shape (N, {num_channels}, H, "
                    f"W), got {got} in {name}; apply norm_layer to such features only, channels first."
                )
            applied.append(num_channels)

        norm = placed(keeps_shape(name, norm_layer))(num_channels, **placement)
        norm.register_forward_pre_hook(before)
        return norm

    return build
