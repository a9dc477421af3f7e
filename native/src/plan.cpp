#include "plan.hpp"

#include <algorithm>
#include <cmath>

namespace localnorm {

namespace {

constexpr int64_t VECTOR = 16;     // elements that fill a vector register, or a line of a cache
constexpr int64_t LONG_ROW = 128;  // a row that need not be joined with another
constexpr int64_t CACHED = 64000;  // float32 numbers that may be worked on at a time: a first-level cache of 48 KiB
constexpr int64_t STAGED = 65536;  // elements that may be copied aside
constexpr int64_t TILE = 32768;    // elements of a tile at least, where there are so many
constexpr int64_t TILES = 8;       // tiles at least, where there is enough to do

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

struct Found {
    Axis axis;
    bool window, value;
    int index;
};

// Axes of larger steps first: the order of the positions does not matter to LRN, so that of memory is as good as any.
bool before(const Axis &a, const Axis &b) {
    for (int i = 0; i < ARRAYS; i++)
        if (std::abs(a.stride[i]) != std::abs(b.stride[i])) return std::abs(a.stride[i]) > std::abs(b.stride[i]);
    return false;
}

Axis none() { return Axis{1, {0, 0, 0}, 0, 0}; }

struct Axes {
    Axis at[LOCALNORM_MAX_RANK];
    int count = 0;

    void add(const Axis &axis) {
        int i = count++;
        for (; i > 0 && before(axis, at[i - 1]); i--) at[i] = at[i - 1];
        at[i] = axis;
    }
    Axis take(int i) {
        Axis axis = at[i];
        std::copy(at + i + 1, at + count--, at + i);
        return axis;
    }
    void merge() {
        int kept = 0;
        for (int i = 1; i < count; i++) {
            Axis &last = at[kept];
            bool joined = true;
            for (int a = 0; a < ARRAYS; a++) joined = joined && last.stride[a] == at[i].extent * at[i].stride[a];
            if (joined) {
                at[i].extent *= last.extent;
                last = at[i];
            } else {
                at[++kept] = at[i];
            }
        }
        count = count ? kept + 1 : 0;
    }
    // The axis that is contiguous in most arrays and long, else the longest; -1 where there is none.
    int best(int64_t item) const {
        int found = -1;
        int64_t score[2] = {-1, -1};
        for (int i = 0; i < count; i++) {
            int64_t steps = 0;
            for (int a = 0; a < ARRAYS; a++) steps += at[i].stride[a] == item;
            if (at[i].extent < VECTOR) steps = 0;
            if (steps > score[0] || (steps == score[0] && at[i].extent > score[1])) {
                found = i;
                score[0] = steps;
                score[1] = at[i].extent;
            }
        }
        return found;
    }
    Axis take_best(int64_t item) { return count ? take(best(item)) : none(); }
    Axis take_longest() { return take_best(-1); }
};

int check(const localnorm_call &call) {
    if (call.struct_size != sizeof(localnorm_call)) return LOCALNORM_BAD_SIZE;
    if (call.abi != LOCALNORM_ABI) return LOCALNORM_BAD_ABI;
    uint64_t set = call.flags;
    for (uint64_t field : call.reserved) set |= field;
    if (set) return LOCALNORM_BAD_FLAGS;
    const int64_t rank = call.rank;
    bool good = call.pass <= LOCALNORM_BACKWARD && call.dtype <= LOCALNORM_FLOAT64 && rank >= 1 &&
                rank <= LOCALNORM_MAX_RANK && call.shape && call.x.strides && call.out.strides &&
                (call.pass == LOCALNORM_FORWARD || call.grad.strides) && call.lo >= 0 && call.hi >= 0 && call.k &&
                call.alpha && call.beta && call.window_axes && (rank == 64 || call.window_axes >> rank == 0) &&
                call.value_axis >= -1 && call.value_axis < rank;
    if (!good) return LOCALNORM_BAD_ARGUMENT;
    for (int64_t a = 0; a < rank; a++) good = good && call.shape[a] >= 0;
    const bool several = call.value_axis >= 0;
    good = good && call.values == (several ? call.shape[call.value_axis] : 1);
    // A box over several axes has no channels along one of them.
    if (several && call.window_axes >> call.value_axis & 1)
        good = good && (call.window_axes & (call.window_axes - 1)) == 0;
    for (int64_t i = 0; good && i < call.values; i++)
        good = std::isfinite(call.beta[i]) && std::isfinite(call.k[i]) && std::isfinite(call.alpha[i]) &&
               call.k[i] >= 0 && call.alpha[i] >= 0;
    return good ? 0 : LOCALNORM_BAD_ARGUMENT;
}

// Chooses seg, group and elem_cut so that what is worked on at a time stays in the cache, and the tiles are many enough.
void cut(Plan &plan, bool backward) {
    const int64_t rows = make_levels(plan.ring.lo, plan.ring.hi).all_rows;
    // Beside its sums forward has a row of x, of s and of y, backward two rings and one of g s^-beta.
    const int64_t live = backward ? 2 * rows + plan.ring.lo + 6 : rows + 3 + plan.ring.hi;
    const int64_t wide = plan.item == 8 ? 2 : 1;
    int64_t most = std::max<int64_t>(CACHED / (wide * live), 256);
    if (!plan.direct[X]) most = std::min(most, std::max<int64_t>(STAGED / plan.ring.extent, VECTOR));
    int64_t outer = 1;
    for (int i = 0; i < plan.outers; i++) outer *= plan.outer[i].extent;
    const int64_t each = plan.block(1) * plan.blocks(1);  // elements of a row for one index of elem and of seg
    const bool much = each * plan.elem.extent * plan.seg.extent * plan.ring.extent * outer > TILE;
    int64_t parts = ceil_div(plan.elem.extent, std::max(most / each, std::min(plan.elem.extent, VECTOR)));
    if (much && plan.seg.extent == 1)
        parts = std::max(parts, std::min(ceil_div(TILES, outer), ceil_div(plan.elem.extent, 4 * VECTOR)));
    // Even parts, of whole lines of a cache.
    plan.elem_cut = ceil_div(plan.elem.extent, parts);
    if (parts > 1) plan.elem_cut = std::min(ceil_div(plan.elem_cut, VECTOR) * VECTOR, plan.elem.extent);
    plan.elem_tiles = ceil_div(plan.elem.extent, plan.elem_cut);
    const int64_t row = each * plan.elem_cut;
    plan.group = std::min(plan.seg.extent, std::max<int64_t>(most / row, 1));
    plan.seg_cut = plan.seg.extent;
    if (much) {
        plan.seg_cut = plan.group * std::max<int64_t>(TILE / (plan.group * row * plan.ring.extent), 1);
        plan.seg_cut = std::min(plan.seg_cut, ceil_div(plan.seg.extent, ceil_div(TILES, outer * plan.elem_tiles)));
        plan.group = std::min(plan.group, plan.seg_cut);
    }
    plan.seg_tiles = ceil_div(plan.seg.extent, plan.seg_cut);
    plan.tiles = outer * plan.seg_tiles * plan.elem_tiles;
}

}  // namespace

int64_t Plan::pad(int64_t elems) const {
    return inners ? std::max(inner[inners - 1].lo, inner[inners - 1].hi) * elems : 0;
}

int64_t Plan::blocks(int64_t segs) const {
    for (int i = 0; i + 1 < inners; i++) segs *= inner[i].extent;
    return segs;
}

int make_plan(const localnorm_call &call, Plan &plan) {
    if (const int wrong = check(call)) return wrong;
    const bool backward = call.pass == LOCALNORM_BACKWARD;
    const int64_t item = call.dtype == LOCALNORM_FLOAT64 ? 8 : call.dtype == LOCALNORM_FLOAT32 ? 4 : 2;
    Axes windows, others;
    Axis value = none();
    bool value_window = false, empty = false;
    for (uint32_t a = 0; a < call.rank; a++) {
        const int64_t extent = call.shape[a];
        empty = empty || extent == 0;
        if (extent <= 1) continue;
        const int64_t *third = backward ? call.grad.strides : call.x.strides;
        Axis axis{extent, {call.x.strides[a], call.out.strides[a], third[a]}, 0, 0};
        const bool window = call.window_axes >> a & 1, valued = call.value_axis == int64_t(a);
        if (window) {
            axis.lo = std::min(call.lo, extent - 1);
            axis.hi = std::min(call.hi, extent - 1);
        }
        if (valued) {
            value = axis;
            value_window = window;
        } else {
            (axis.lo + axis.hi ? windows : others).add(axis);
        }
    }
    others.merge();
    plan.item = item;
    plan.in_place = !backward && call.x.data == call.out.data;
    plan.values_in_ring = value_window;
    plan.value_outer = -1;
    plan.ring = plan.seg = plan.elem = none();
    plan.inners = plan.outers = 0;
    if (empty) {
        plan.tiles = 0;
        return 0;
    }
    if (value.extent > 1 && !value_window) plan.outer[plan.value_outer = plan.outers++] = value;
    if (value_window || windows.count <= 1) {
        const int best = others.best(item);
        const bool rows = best >= 0 && others.at[best].stride[X] == item &&
                          others.at[best].extent >= std::min(VECTOR, windows.count ? windows.at[0].extent : 1);
        const bool side = !value_window && windows.count && windows.at[0].stride[X] == item && !rows &&
                          (windows.at[0].extent >= VECTOR || best < 0);
        if (side) {
            plan.inner[plan.inners++] = windows.take(0);
            plan.seg = others.take_longest();
        } else {
            plan.ring = value_window ? value : windows.count ? windows.take(0) : none();
            plan.elem = others.take_best(item);
            if (plan.elem.extent < LONG_ROW) plan.seg = others.take_longest();
        }
    } else {
        plan.ring = windows.take(0);
        while (windows.count) plan.inner[plan.inners++] = windows.take(0);
        const int best = others.best(item);
        if (best >= 0 && others.at[best].stride[X] == item) plan.elem = others.take(best);
        plan.seg = others.take_longest();
    }
    while (others.count) plan.outer[plan.outers++] = others.take(0);
    for (int a = 0; a < ARRAYS; a++) {
        const Axis *last = plan.inners ? &plan.inner[plan.inners - 1] : nullptr;
        plan.direct[a] = plan.inners <= 1 && (plan.elem.extent == 1 || plan.elem.stride[a] == item) &&
                         (!last || last->stride[a] == plan.elem.extent * item);
    }
    plan.direct[X] = plan.direct[X] && !plan.in_place;
    cut(plan, backward);
    if (plan.inners && plan.elem_tiles > 1) plan.direct[X] = plan.direct[OUT] = plan.direct[GRAD] = false;
    return 0;
}

Tile tile_at(const Plan &plan, int64_t index) {
    Tile tile{};
    const int64_t elem = index % plan.elem_tiles;
    index /= plan.elem_tiles;
    const int64_t seg = index % plan.seg_tiles;
    index /= plan.seg_tiles;
    for (int i = plan.outers - 1; i >= 0; i--) {
        const int64_t at = index % plan.outer[i].extent;
        index /= plan.outer[i].extent;
        for (int a = 0; a < ARRAYS; a++) tile.offset[a] += at * plan.outer[i].stride[a];
        if (i == plan.value_outer) tile.value = at;
    }
    tile.seg = seg * plan.seg_cut;
    tile.segs = std::min(plan.seg_cut, plan.seg.extent - tile.seg);
    tile.elem = elem * plan.elem_cut;
    tile.elems = std::min(plan.elem_cut, plan.elem.extent - tile.elem);
    return tile;
}

Levels make_levels(int64_t lo, int64_t hi) {
    Levels levels{};
    const int64_t n = lo + hi + 1;
    if (n <= DIRECT) {
        levels.count = 1;
        levels.digit[0] = levels.rows[0] = levels.all_rows = n;
        return levels;
    }
    int64_t width = 1, lower = 0;
    for (; width <= n; width *= 4, levels.count++) {
        const int64_t digit = n / width % 4, parents = width * 4 <= n ? 3 * width + 1 : 1;
        levels.digit[levels.count] = digit;
        levels.rows[levels.count] = std::max(parents, lower + (digit - 1) * width + 1);
        levels.all_rows += levels.rows[levels.count];
        lower += digit * width;
    }
    return levels;
}

}  // namespace localnorm
