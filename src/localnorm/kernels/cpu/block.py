"""The block of 64-bit integers that a compiled kernel is given: what each of them means.

A kernel takes one pointer and no Python object, so that any thread can run it: one of torch's own, or one of ours.
"""

from __future__ import annotations

(
    NEXT_TILE,  # counters that the threads share
    NEXT_SCRATCH,
    TILES,
    TILES_A_ROW,  # tiles that one outer index is cut into
    TILE,  # positions of a tile; the last one of a row may have fewer
    POSITIONS,
    CHANNELS,
    LO,
    HI,
    STEP,  # side by side: elements from one position to the next in the buffers; 0 where rows are channels
    ROW,  # side by side: elements of a row, a multiple of the step
    SCRATCH,  # address of the scratch memory
    SCRATCH_BYTES,  # of one thread
    BUFFER,  # bytes of each of its buffers
    VALUES,  # address of the values below, in the type of the arithmetic, once or for each channel
    VALUES_STEP,  # 0, or the numbers of one channel
    LIMITS,  # address of the limits below, in that type, too
    LEFT,  # address of a byte for each tile, 1 where the tile was left as it was
    SUMS,  # address of what k, alpha and beta get from a tile, three float64, or 0 where nothing is learned
    SUMS_STEP,  # 0, or 1 where each channel has values of its own
    SUMS_ROWS,  # 1, or the channels then
    X,  # address of element 0
    X_OUTER,  # address of the offset of each outer index
    X_CHANNEL,  # elements from one channel to the next
    X_POSITION,  # elements from one position to the next
    OUT,
    OUT_OUTER,
    OUT_CHANNEL,
    OUT_POSITION,
    GRAD,
    GRAD_OUTER,
    GRAD_CHANNEL,
    GRAD_POSITION,
    LENGTH,
) = range(34)

LARGEST_SQUARE, SMALLEST_S, SMALLEST_GRAD, LARGEST_GRAD = range(4)
"""The limits: a tile beyond them is left to slower arithmetic. A smallest s of 0 is not looked for."""

K, ALPHA, UPPER, LOWER, FACTOR = range(5)
"""The values: UPPER and LOWER are the parts of the exponent, FACTOR is ``2 alpha beta``."""
