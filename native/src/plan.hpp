// How a call is cut into tiles: which axis rows follow each other along, and what lies in a row.
#pragma once

#include <cstdint>

#include "localnorm.h"

namespace localnorm {

enum { X, OUT, GRAD, ARRAYS };

struct Axis {
    int64_t extent;
    int64_t stride[ARRAYS];  // bytes
    int64_t lo, hi;          // of the window, both 0 where it does not span the axis
};

// A tile is worked on in groups, and a group row by row along `ring`. A row holds `group` indices of `seg`, for
// each of them all of the `inner` axes, which the window spans, too, and of these for each a part of `elem`:
//
//     channels first      ring = channels      elem = positions
//     channels last       seg = positions      inner = channels
//     within a channel    ring = height        inner = width       seg = images and channels, or elem = channels
//
// Nothing else varies within a tile. Any of the four may be absent: then its extent is 1.
struct Plan {
    Axis ring, seg, elem;
    int inners, outers;
    Axis inner[LOCALNORM_MAX_RANK], outer[LOCALNORM_MAX_RANK];
    int64_t seg_cut, group, elem_cut;           // of a tile, of a group, of a tile
    int64_t seg_tiles, elem_tiles, tiles;
    bool values_in_ring;                        // k, alpha and beta differ from row to row
    int value_outer;                            // they differ along this outer axis, or -1
    bool direct[ARRAYS];                        // rows can be read and written where they are
    bool in_place;
    int64_t item;                               // bytes of an element

    // Elements of the innermost window axis, with what varies within it; of a row's buffer they take up `block` and,
    // before and behind, `pad` zeros.
    int64_t length(int64_t elems) const { return (inners ? inner[inners - 1].extent : 1) * elems; }
    int64_t pad(int64_t elems) const;
    int64_t block(int64_t elems) const { return length(elems) + pad(elems); }
    int64_t blocks(int64_t segs) const;         // of a row of so many indices of seg
};

struct Tile {
    int64_t seg, segs, elem, elems;
    int64_t offset[ARRAYS];  // bytes, of index 0 along ring, seg, inner and elem
    int64_t value;           // the index of k, alpha and beta, of the first row if they are `values_in_ring`
};

// Returns 0 or a negative localnorm_status.
int make_plan(const localnorm_call &call, Plan &plan);
Tile tile_at(const Plan &plan, int64_t index);

// The rows that a window sum along the ring keeps. Windows of up to DIRECT rows are summed as they are. Wider ones
// are made of sums over 1, 4, 16, ... rows, digit by digit to base 4 with the largest first: nothing is subtracted,
// and every sum is a shallow tree, which rounds little. The row t of level l is the sum over t to t + 4^l - 1.
constexpr int DIRECT = 8, MAX_LEVELS = 31;

struct Levels {
    int count;
    int64_t digit[MAX_LEVELS], rows[MAX_LEVELS];  // how many pieces of the level a window has; rows to keep
    int64_t all_rows;
};

Levels make_levels(int64_t lo, int64_t hi);

}  // namespace localnorm
