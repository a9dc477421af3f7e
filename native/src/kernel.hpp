// The algorithm, once for every vector type: forward and backward over the tiles of a plan.
//
// Rows of squares go into a ring that stays in the first-level cache; each window is summed from it, and what comes
// of a row is written while its x is still there. So x is read from memory once. Backward follows the same sweep:
// the rows of h = g x s^(-beta-1) go into a second ring, and the gradient of a row is written as soon as its last
// h is there.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "power.hpp"
#include "robust.hpp"
#include "rows.hpp"
#include "scratch.hpp"

namespace localnorm {
namespace {

template <class V, class T>
class Worker {
    using W = typename V::Wide;

    const localnorm_call &call;
    const Plan &plan;
    const Limits limits;
    const bool backward;
    Ring<V> squares, through;
    int64_t stride;  // numbers from one row of a buffer to the next
    W *sum, *other, *spare[3], *direct;
    T *staged[ARRAYS];
    double *group_sums;  // what k, alpha and beta get from a group
    char *buffers;
    int64_t buffers_size;  // 0 where rows have no gaps

    // Of the group at hand:
    int64_t block, pad, blocks, flat;  // see Plan; flat is the length of a row from its first to its last element
    int64_t count, length;             // how rows are gone through: so many parts of so many elements
    bool in_memory[ARRAYS];
    View views[ARRAYS];
    Seen<V> seen;

    static int64_t whole(int64_t n) { return (n + 15) / 16 * 16; }

  public:
    Worker(const localnorm_call &call_, const Plan &plan_)
        : call(call_), plan(plan_), limits(make_limits(call_)), backward(call_.pass == LOCALNORM_BACKWARD),
          squares(plan_.ring.lo, plan_.ring.hi), through(plan_.ring.hi, plan_.ring.lo), seen(limits) {}

    // Lays the buffers out; returns a negative status if there is no memory for them.
    int prepare(Scratch &scratch) {
        const int64_t reach = reach_of_inner(), row = plan.pad(plan.elem_cut) +
                                                      plan.block(plan.elem_cut) * plan.blocks(plan.group);
        // Not a multiple of a page, for rows would then share the same places in a cache.
        stride = whole(row) + 32;
        const int64_t wide = backward ? squares.rows() + through.rows() + plan.ring.lo + 1 : squares.rows();
        const int64_t numbers = (wide + 2) * stride + (plan.inners ? 3 * (stride + reach) : 0);
        const int64_t halves = (plan.ring.extent + 2) * stride;
        char *memory = scratch.get(sums_size() * sizeof(double) + numbers * sizeof(W) + halves * sizeof(T));
        if (!memory) return LOCALNORM_NO_MEMORY;
        group_sums = reinterpret_cast<double *>(memory);
        memory += sums_size() * sizeof(double);
        buffers = memory;
        buffers_size = plan.inners || short_blocks() ? numbers * sizeof(W) + halves * sizeof(T) : 0;
        W *at = reinterpret_cast<W *>(memory);
        auto take = [&](int64_t size) { return at += size, at - size; };
        squares.place(take(squares.rows() * stride), stride);
        if (backward) {
            through.place(take(through.rows() * stride), stride);
            direct = take((plan.ring.lo + 1) * stride);
        }
        sum = take(stride);
        other = take(stride);
        if (plan.inners)
            for (W *&each : spare) each = take(stride + reach);
        T *row_at = reinterpret_cast<T *>(at);
        staged[OUT] = row_at;
        staged[GRAD] = row_at + stride;
        staged[X] = row_at + 2 * stride;
        return 0;
    }

    int run(int64_t index) {
        const Tile tile = tile_at(plan, index);
        const int64_t size = values_here() * 3;
        double *sums = backward && call.sums ? call.sums + index * size : nullptr;
        if (sums) std::memset(sums, 0, size * sizeof(double));
        for (int64_t seg = 0; seg < tile.segs; seg += plan.group) {
            const int64_t segs = plan.group < tile.segs - seg ? plan.group : tile.segs - seg;
            if (const int wrong = run_group(tile, tile.seg + seg, segs, sums ? group_sums : nullptr)) return wrong;
            for (int64_t i = 0; sums && i < size; i++) sums[i] += group_sums[i];
        }
        return 0;
    }

  private:
    int64_t values_here() const { return plan.values_in_ring ? plan.ring.extent : 1; }
    int64_t sums_size() const { return backward && call.sums ? whole(values_here() * 3) : 0; }

    // That of one beta for all rows, if it is the same.
    Kind kind(int64_t value) const {
        bool same = true;
        for (int64_t i = 0; plan.values_in_ring && i < call.values; i++) same = same && call.beta[i] == call.beta[0];
        return same ? kind_of(call.beta[value]) : ANY;
    }

    bool short_blocks() const {
        const int64_t last = plan.elem.extent - (plan.elem_tiles - 1) * plan.elem_cut;
        return !(plan.direct[X] || plan.direct[OUT] || plan.direct[GRAD]) || plan.length(last) < 16;
    }

    int64_t reach_of_inner() const {
        int64_t unit = plan.elem_cut, most = 0;
        for (int i = plan.inners - 1; i >= 0; i--) {
            const int64_t reach = (plan.inner[i].lo + plan.inner[i].hi) * unit;
            most = reach > most ? reach : most;
            unit = i == plan.inners - 1 ? plan.block(plan.elem_cut) : unit * plan.inner[i].extent;
        }
        return whole(most) + 32;
    }

    int run_group(const Tile &tile, int64_t seg, int64_t segs, double *sums) {
        set_group(tile, seg, segs);
        if (sums) std::memset(sums, 0, values_here() * 3 * sizeof(double));
        seen = Seen<V>(limits);
        if (limits.plain) {
            switch (kind(tile.value)) {
                case HALF: sweep<HALF>(tile, sums); break;
                case THREE_QUARTERS: sweep<THREE_QUARTERS>(tile, sums); break;
                case ONE: sweep<ONE>(tile, sums); break;
                case ANY: sweep<ANY>(tile, sums); break;
            }
            if (seen.good(backward)) return 0;
        } else if (!in_memory[X]) {
            for (int64_t j = 0; j < plan.ring.extent; j++) stage(X, j, staged[X] + j * stride);
        }
        if (sums) std::memset(sums, 0, values_here() * 3 * sizeof(double));
        return robust(plan, call, limits, tile, segs, views, !limits.plain || sums, sums);
    }

    void set_group(const Tile &tile, int64_t seg, int64_t segs) {
        // What lies between the blocks of a row stays 0, and so does what vectors reach behind it, until the blocks are
        // others.
        if (segs != segs_here || tile.elems != elems_here) std::memset(buffers, 0, buffers_size);
        block = plan.block(tile.elems);
        pad = plan.pad(tile.elems);
        blocks = plan.blocks(segs);
        flat = blocks * block - pad;
        bool any = false;
        char *data[ARRAYS] = {static_cast<char *>(call.x.data), static_cast<char *>(call.out.data),
                              static_cast<char *>(call.grad.data)};
        for (int a = 0; a < ARRAYS; a++) {
            in_memory[a] = plan.direct[a] && plan.length(tile.elems) >= 16;
            any = any || in_memory[a];
            View &view = views[a];
            view.at = data[a] + tile.offset[a] + seg * plan.seg.stride[a] + tile.elem * plan.elem.stride[a];
            view.ring = plan.ring.stride[a];
            view.seg = plan.seg.stride[a];
            view.elem = plan.elem.stride[a];
            for (int i = 0; i < plan.inners; i++) view.inner[i] = plan.inner[i].stride[a];
        }
        count = any ? blocks : 1;
        length = any ? plan.length(tile.elems) : whole(flat);
        segs_here = segs;
        elems_here = tile.elems;
        memory_x = views[X];
        if (!in_memory[X]) views[X] = staged_view();
    }

    int64_t segs_here = 0, elems_here = 0;
    View memory_x;  // views[X] is of the staged rows where there are such

    View staged_view() const {
        View view{};
        view.at = reinterpret_cast<char *>(staged[X] + pad);
        view.ring = stride * sizeof(T);
        view.elem = sizeof(T);
        int64_t unit = block;
        for (int i = plan.inners - 1; i >= 0; i--) {
            view.inner[i] = (i == plan.inners - 1 ? elems_here : unit) * sizeof(T);
            if (i < plan.inners - 1) unit *= plan.inner[i].extent;
        }
        view.seg = unit * sizeof(T);
        return view;
    }

    // Copies a row to or from the layout of the buffers.
    template <bool BACK>
    void move(const View &view, int64_t j, T *row) const {
        int64_t index[LOCALNORM_MAX_RANK] = {};
        const int last = plan.inners - 1;
        const int64_t long_extent = last >= 0 ? plan.inner[last].extent : 1;
        const int64_t long_step = last >= 0 ? view.inner[last] : 0;
        T *to = row + pad;
        char *base = view.at + j * view.ring;
        for (int64_t seg = 0; seg < segs_here; seg++) {
            for (int64_t rest = blocks / segs_here; rest > 0; rest--, to += block) {
                char *from = base + seg * view.seg;
                for (int i = 0; i < last; i++) from += index[i] * view.inner[i];
                T *here = to;
                for (int64_t i = 0; i < long_extent; i++, from += long_step, here += elems_here)
                    copy<BACK>(from, view.elem, here);
                for (int i = last - 1; i >= 0 && ++index[i] == plan.inner[i].extent; i--) index[i] = 0;
            }
        }
    }

    template <bool BACK>
    void copy(char *from, int64_t step, T *to) const {
        if (step == int64_t(sizeof(T))) {
            BACK ? std::memcpy(from, to, elems_here * sizeof(T)) : std::memcpy(to, from, elems_here * sizeof(T));
            return;
        }
        for (int64_t i = 0; i < elems_here; i++, from += step)
            BACK ? std::memcpy(from, to + i, sizeof(T)) : std::memcpy(to + i, from, sizeof(T));
    }

    void stage(int array, int64_t j, T *row) const { move<false>(array == X ? memory_x : views[array], j, row); }

    Strided<T> row_of(int array, int64_t j, T *row) const {
        if (!in_memory[array]) return {reinterpret_cast<char *>(row + pad), block * int64_t(sizeof(T)), 0};
        const View &view = views[array];
        return {view.at + j * view.ring, view.seg, plan.ring.extent > 1 ? view.ring : plan.group * view.seg};
    }
    Strided<T> x_row(int64_t j) const { return row_of(X, j, staged[X] + j * stride); }

    Constants<V> constants(int64_t at) const { return Constants<V>(call.k[at], call.alpha[at], call.beta[at]); }

    template <int KIND>
    void sweep(const Tile &tile, double *sums) {
        const int64_t rows = plan.ring.extent, hi = plan.ring.hi, lo = plan.ring.lo;
        const Parts parts{count, length, block};
        Constants<V> here = constants(tile.value);
        for (int64_t j = 0; j < rows + hi + (backward ? lo : 0); j++) {
            if (j < rows) {
                if (!in_memory[X]) stage(X, j, staged[X] + j * stride);
                square<V>(parts, x_row(j), squares.slot(j) + pad);
            }
            squares.push(j, rows, whole(pad + flat));
            const int64_t c = j - hi;
            if (c < 0) continue;
            if (c < rows) {
                if (plan.values_in_ring) here = constants(c);
                Pieces<V> s = window(squares, c, rows, plan.ring, false);
                if (!backward) {
                    normalize<KIND, V>(parts, x_row(c), s, row_of(OUT, c, staged[OUT]), here, seen);
                    if (!in_memory[OUT]) move<true>(views[OUT], c, staged[OUT]);
                    continue;
                }
                if (!in_memory[GRAD]) stage(GRAD, c, staged[GRAD]);
                W *r = direct + c % (lo + 1) * stride + pad, *h = through.slot(c) + pad;
                differentiate<KIND, V>(parts, x_row(c), row_of(GRAD, c, staged[GRAD]), s, r, h, here, seen);
                if (sums) total<V>(parts, x_row(c), s, r, here, sums + (plan.values_in_ring ? 3 * c : 0));
            }
            if (!backward) continue;
            through.push(c, rows, whole(pad + flat));
            const int64_t o = c - lo;
            if (o < 0) continue;
            // The window of c holds j where the mirrored window of j holds c.
            const Pieces<V> h = window(through, o, rows, Axis{rows, {}, hi, lo}, true);
            subtract<V>(parts, x_row(o), h, direct + o % (lo + 1) * stride + pad, row_of(OUT, o, staged[OUT]), seen);
            if (!in_memory[OUT]) move<true>(views[OUT], o, staged[OUT]);
        }
    }

    // Returns what the sums over the window of row c, in all its axes, are made of.
    Pieces<V> window(Ring<V> &ring, int64_t c, int64_t rows, const Axis &axis, bool mirrored) {
        Sum<V> found = ring.window(c - axis.lo, c + axis.hi, rows, sum, whole(pad + flat));
        if (!plan.inners) return found.pieces();
        const W *from = found.done();
        int64_t unit = block;
        for (int i = plan.inners - 2; i >= 0; i--) {
            const Axis &inner = plan.inner[i];
            const int64_t lo = mirrored ? inner.hi : inner.lo, hi = mirrored ? inner.lo : inner.hi;
            const int64_t size = unit * inner.extent;
            for (int64_t at = 0; at < blocks * block; at += size) {
                std::memset(spare[0], 0, (size + (lo + hi) * unit + 32) * sizeof(W));
                std::memcpy(spare[0] + lo * unit, from + pad + at, size * sizeof(W));
                const W *row = flat_sum<V>(spare[0], spare[1], spare[2], other, size, unit, lo + 1 + hi).done();
                std::memcpy(sum + pad + at, row, size * sizeof(W));
            }
            from = sum;
            unit = size;
        }
        const Axis &inner = plan.inner[plan.inners - 1];
        const int64_t lo = mirrored ? inner.hi : inner.lo, n = inner.lo + 1 + inner.hi;
        from += pad - lo * elems_here;
        return flat_sum<V>(from, spare[1], spare[2], other, flat, elems_here, n).pieces();
    }
};

// Runs tiles until `next` returns a negative index. Returns 0 or a negative status.
template <class V, class T, class Next>
int run_tiles(const localnorm_call &call, const Plan &plan, Next next) {
    Scratch scratch;
    Worker<V, T> worker(call, plan);
    if (const int wrong = worker.prepare(scratch)) return wrong;
    for (int64_t index = next(); index >= 0; index = next())
        if (const int wrong = worker.run(index)) return wrong;
    return 0;
}

template <class Float, class Double, class Next>
int run_dtype(const localnorm_call &call, const Plan &plan, Next next) {
    switch (call.dtype) {
        case LOCALNORM_FLOAT16: return run_tiles<Float, Float16>(call, plan, next);
        case LOCALNORM_BFLOAT16: return run_tiles<Float, BFloat16>(call, plan, next);
        case LOCALNORM_FLOAT32: return run_tiles<Float, float>(call, plan, next);
        default: return run_tiles<Double, double>(call, plan, next);
    }
}

}  // namespace
}  // namespace localnorm
