// Where float32 or float64 by the plain formula is right, and what is done where it is not.
#pragma once

#include "plan.hpp"

namespace localnorm {

// The plain formula is right where s lies between low and high and no gradient is larger than `largest`, nor all of
// them smaller than `smallest` but 0, and what comes of it is finite.
struct Limits {
    bool plain;  // false where alpha or beta rule it out for every s
    double low, high, smallest, largest;
};

Limits make_limits(const localnorm_call &call);

// Where the elements of a group are: of x, out and grad.
struct View {
    char *at;
    int64_t ring, seg, elem;               // bytes
    int64_t inner[LOCALNORM_MAX_RANK];
};

// Computes again what is out of range in a group and nothing beside it, or all of it, in float64 and with powers of
// two taken out. To `sums`, three numbers or three for each row, is added what k, alpha and beta get; it may be NULL.
// Returns 0 or a negative status.
int robust(const Plan &plan, const localnorm_call &call, const Limits &limits, const Tile &tile, int64_t segs,
           const View *views, bool all, double *sums);

}  // namespace localnorm
