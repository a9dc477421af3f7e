"""The machine code of all variants that a tiling can choose: registers spilled, and warps that fit."""

from __future__ import annotations

from itertools import product

import pytest

from gpu_machine_code import Source, Variant, resources

MOST_REGISTERS = {"channels_first_forward": 72, "channels_last_forward": 64, "wide_forward": 128}
"""A multiprocessor has 65536: with 72, seven sixteenths of its 2048 threads fit, with 128 a quarter."""
MOST_BACKWARD = 128
MOST_LEARNED = 224
"""Three numbers more for each element: a gradient for the values is not what a trained network is run for."""

MOST_SPILLED = dict.fromkeys(("channels_last_backward", "wide_forward", "wide_terms", "wide_through"), 24)
"""Bytes a thread, once: ptxas gives up what is needed behind the loops, masks and offsets, where one more program
then fits on a multiprocessor. Those kernels stay below the registers that they may have."""

LARGE, ODD, SMALL = (256, 96, 56, 56), (256, 96, 55, 55), (8, 32, 16, 16)
CORE = [
    *((Variant(*v), 90) for v in product(("fp32", "bf16"), ("NCHW", "NHWC"), (False, True))),
    (Variant(), 80),
    (Variant(layout="NHWC", backward=True), 80),
    (Variant("bf16", backward=True), 80),
    (Variant(layout="NHWC", backward=True, size=65), 90),
    # Each of these has spilled, or taken too many registers.
    (Variant("fp16", shape=ODD), 80),
    (Variant("bf16", "NHWC", True, 33), 80),
    (Variant(backward=True, size=65, learned=1, shape=ODD), 90),
    (Variant(backward=True, size=1, learned=96, shape=ODD), 90),
    (Variant("bf16", backward=True, size=9, beta=0.6, learned=96), 90),
    (Variant(layout="NHWC", backward=True, size=9), 90),
]
ALL = [
    Variant(dtype, layout, backward, size, beta, learned, shape)
    for dtype, layout, backward, size, beta, learned, shape in product(
        ("fp32", "fp16", "bf16"),
        ("NCHW", "NHWC"),
        (False, True),
        (1, 5, 9, 12, 33, 65),
        (0.75, 0.6),
        (0, 1, 96),
        (LARGE, ODD, SMALL),
    )
    # One thing at a time: float16 differs from bfloat16 in its conversions alone, one beta from another in the
    # arithmetic of one number, and small inputs from large ones in their tiles.
    if (dtype, beta, shape)
    in (
        *product(("fp32", "bf16"), (0.75,), (LARGE, ODD)),
        ("fp32", 0.6, LARGE),
        ("fp32", 0.75, SMALL),
        ("fp16", 0.75, LARGE),
    )
    and (learned == 0 or (dtype != "fp16" and shape != SMALL))
    # Where channels lie side by side, an odd number of positions is as good as any.
    and not (layout == "NHWC" and shape == ODD)
]
DISTINCT = dict(reversed([(source, variant) for variant in ALL for source in variant.sources()]))
"""What is compiled, and a variant that it is compiled for: most variants share their kernels with others."""


def _check(source: Source, variant: Variant, capability: int) -> None:
    found = resources(source, capability)
    most = MOST_REGISTERS.get(found.kernel, MOST_BACKWARD)
    most = max(most, MOST_LEARNED) if variant.learned else most
    assert found.spilled <= MOST_SPILLED.get(found.kernel, 0), f"{variant} on sm_{capability}: {found}"
    assert found.registers <= most, f"{variant} on sm_{capability}: {found}"
    shared = variant.learned <= 1
    if variant.dtype == "fp32" and variant.shape == LARGE and variant.size == 5 and shared:
        assert found.vectors, f"{variant} on sm_{capability}: {found}"


@pytest.mark.parametrize(("variant", "capability"), CORE, ids=str)
def test_core_variants(variant: Variant, capability: int):
    for source in variant.sources():
        _check(source, variant, capability)


@pytest.mark.slow
@pytest.mark.parametrize("capability", [80, 90])
@pytest.mark.parametrize(("source", "variant"), DISTINCT.items(), ids=map(str, DISTINCT.values()))
def test_every_kernel(source: Source, variant: Variant, capability: int):
    _check(source, variant, capability)
