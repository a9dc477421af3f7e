"""The machine code of every variant that a plan can choose: no register is spilled, and enough warps find room."""

from __future__ import annotations

from itertools import product

import pytest

from gpu_machine_code import Variant, resources

MOST_REGISTERS = {"rows_forward": 64, "side_forward": 64, "wide_forward": 128}
"""A multiprocessor has 65536: with 64, half of its 2048 threads find room, with 128 a quarter."""
MOST_BACKWARD = 128
MOST_LEARNED = 224
"""Three numbers more for each element: a gradient for the values is not what a trained network is run for."""

CORE = [
    *(Variant(*v) for v in product(("fp32", "bf16"), ("NCHW", "NHWC"), (False, True))),
    Variant("fp16", "NCHW", True),
    Variant(backward=True, beta=0.6),
    Variant(layout="NHWC", backward=True, beta=0.6),
    Variant(size=65),
    Variant(layout="NHWC", backward=True, size=65),
    Variant(shape=(256, 96, 55, 55), backward=True),
    Variant(backward=True, learned=1),
    # Each of these has spilled.
    Variant("bf16", backward=True, size=9, beta=0.6, learned=96),
    Variant(backward=True, size=12),
]
ALL = [
    Variant(*v)
    for v in product(
        ("fp32", "fp16", "bf16"),
        ("NCHW", "NHWC"),
        (False, True),
        (1, 5, 9, 12, 33, 65),
        (0.75, 0.6),
        (0, 1, 96),
        ((256, 96, 56, 56), (8, 32, 16, 16), (256, 96, 55, 55)),
    )
    if v[5] in (0, 1, v[6][1])
]


def _check(variant: Variant, capability: int) -> None:
    for found in resources(variant, capability):
        most = MOST_REGISTERS.get(found.kernel, MOST_BACKWARD)
        most = max(most, MOST_LEARNED) if variant.learned else most
        assert found.spilled == 0, f"{variant} on sm_{capability}: {found}"
        assert found.registers <= most, f"{variant} on sm_{capability}: {found}"
        if variant.dtype == "fp32" and variant.shape[1:] == (96, 56, 56) and variant.size == 5:
            assert found.vectors, f"{variant} on sm_{capability}: {found}"


@pytest.mark.parametrize("variant", CORE, ids=str)
def test_core_variants_on_hopper(variant: Variant):
    _check(variant, 90)


@pytest.mark.slow
@pytest.mark.parametrize("capability", [80, 90])
@pytest.mark.parametrize("variant", ALL, ids=str)
def test_every_variant(variant: Variant, capability: int):
    _check(variant, capability)
