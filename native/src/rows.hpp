// What is done with rows: the sums over windows, and the loops that read x and write results.
#pragma once

#include <type_traits>

// Inlined first of all, so that what a loop adds up stays in registers.
#if defined(_MSC_VER)
#define LOCALNORM_INLINE __forceinline
#define LOCALNORM_BODY
#else
#define LOCALNORM_INLINE inline __attribute__((always_inline))
#define LOCALNORM_BODY __attribute__((always_inline))
#endif

namespace localnorm {
namespace {

// Rows in memory, or in a buffer: parts of one row, `step` bytes apart; the next row is `ahead` bytes away. A
// processor follows one row by itself, but not from one to the next.
template <class T>
struct Strided {
    char *at;
    int64_t step, ahead;
    template <bool WRITTEN = false>
    void prefetch(const T *here) const {
#if defined(_MSC_VER)
        (void)here;
#else
        __builtin_prefetch(reinterpret_cast<const char *>(here) + ahead, WRITTEN);
#endif
    }
    T *part(int64_t i) const { return reinterpret_cast<T *>(at + i * step); }
};

// How a row is gone through: so many parts, each of so many elements, `step` numbers apart in the buffers.
struct Parts {
    int64_t count, length, step;
};

// Calls f with the index of each vector. What is left over at the end is done by a vector that overlaps the one before
// it, so f must not read what it writes. A part has a vector's length at least.
template <class V, class F>
LOCALNORM_INLINE void each_vector(int64_t length, F f) {
    int64_t i = 0;
    for (; i + V::N <= length; i += V::N) f(i);
    if (V::N > 1 && i < length) f(length - V::N);
}

template <class V, int COUNT>
LOCALNORM_INLINE V tree(const typename V::Wide *const *rows, int64_t i) {
    if constexpr (COUNT == 1) {
        return V::load(rows[0] + i);
    } else {
        return tree<V, COUNT / 2>(rows, i) + tree<V, COUNT - COUNT / 2>(rows + COUNT / 2, i);
    }
}

template <class V, int COUNT>
void sum_of(const typename V::Wide *const *from, typename V::Wide *to, int64_t length) {
    const typename V::Wide *rows[COUNT];
    for (int i = 0; i < COUNT; i++) rows[i] = from[i];
    for (int64_t i = 0; i < length; i += V::N) tree<V, COUNT>(rows, i).store(to + i);
}

// Writes the sum of rows, one of which may be where it is written to; at most DIRECT.
template <class V>
void sum_rows(const typename V::Wide *const *rows, int64_t count, typename V::Wide *to, int64_t length) {
    switch (count) {
        case 1: return sum_of<V, 1>(rows, to, length);
        case 2: return sum_of<V, 2>(rows, to, length);
        case 3: return sum_of<V, 3>(rows, to, length);
        case 4: return sum_of<V, 4>(rows, to, length);
        case 5: return sum_of<V, 5>(rows, to, length);
        case 6: return sum_of<V, 6>(rows, to, length);
        case 7: return sum_of<V, 7>(rows, to, length);
        case 8: return sum_of<V, 8>(rows, to, length);
    }
}

// Rows that are yet to be added up: what uses their sum does it as it goes along.
constexpr int FUSED = 5;
template <class V>
struct Pieces {
    const typename V::Wide *rows[FUSED];
    int64_t count;
};

// Adds up any number of rows, as they come.
template <class V>
class Sum {
    using W = typename V::Wide;
    const W *rows[DIRECT];
    int64_t count = 0, length;
    W *to;

  public:
    Sum(W *to_, int64_t length_) : length(length_), to(to_) {}
    void add(const W *row) {
        if (count == DIRECT) {
            sum_rows<V>(rows, count, to, length);
            rows[0] = to;
            count = 1;
        }
        rows[count++] = row;
    }
    // Returns where the sum is: that of one row is the row.
    const W *done() {
        if (count == 1) return rows[0];
        sum_rows<V>(rows, count, to, length);
        return to;
    }
    Pieces<V> pieces() {
        Pieces<V> found{{}, 1};
        if (count > FUSED) {
            found.rows[0] = done();
            return found;
        }
        found.count = count;
        for (int64_t i = 0; i < count; i++) found.rows[i] = rows[i];
        return found;
    }
};

// Calls f with the number of pieces known to the compiler.
template <class V, class F>
LOCALNORM_INLINE void with_count(const Pieces<V> &pieces, F f) {
    switch (pieces.count) {
        case 1: return f(std::integral_constant<int, 1>());
        case 2: return f(std::integral_constant<int, 2>());
        case 3: return f(std::integral_constant<int, 3>());
        case 4: return f(std::integral_constant<int, 4>());
        case 5: return f(std::integral_constant<int, 5>());
    }
}

// The last rows of squares, and of sums over 4, 16, ... of them where windows are wide: see Levels.
template <class V>
class Ring {
    using W = typename V::Wide;
    Levels levels;
    W *base = nullptr;
    int64_t stride = 0;

    W *at(int level, int64_t row) const {
        W *found = base;
        for (int i = 0; i < level; i++) found += levels.rows[i] * stride;
        const int64_t size = levels.rows[level], place = row % size;
        return found + (place < 0 ? place + size : place) * stride;
    }
    // Whether a sum that begins at a row has anything in it.
    static bool holds(int64_t row, int64_t width, int64_t rows) { return row > -width && row < rows; }

  public:
    Ring(int64_t lo, int64_t hi) : levels(make_levels(lo, hi)) {}
    int64_t rows() const { return levels.all_rows; }
    void place(W *base_, int64_t stride_) {
        base = base_;
        stride = stride_;
    }
    W *slot(int64_t row) const { return at(0, row); }

    // To be called for each row in turn, once its slot is filled, and for those behind the last that a window reaches.
    void push(int64_t row, int64_t rows, int64_t length) {
        int64_t width = 1;
        for (int level = 1; level < levels.count; level++, width *= 4) {
            const int64_t first = row - 4 * width + 1;
            if (!holds(first, 4 * width, rows)) continue;
            Sum<V> sum(at(level, first), length);
            const W *only = nullptr;
            int64_t found = 0;
            for (int64_t child = first; child < first + 4 * width; child += width)
                if (holds(child, width, rows)) sum.add(only = at(level - 1, child)), found++;
            if (found == 1)
                std::memcpy(at(level, first), only, length * sizeof(W));
            else
                sum.done();
        }
    }

    // Begins the sum of rows first to last, as far as there are such.
    Sum<V> window(int64_t first, int64_t last, int64_t rows, W *to, int64_t length) const {
        Sum<V> sum(to, length);
        if (levels.count == 1) {
            for (int64_t row = first < 0 ? 0 : first; row <= last && row < rows; row++) sum.add(at(0, row));
            return sum;
        }
        int64_t width = 1;
        for (int level = 1; level < levels.count; level++) width *= 4;
        for (int level = levels.count - 1; level >= 0; level--, width /= 4)
            for (int64_t i = 0; i < levels.digit[level]; i++, first += width)
                if (holds(first, width, rows)) sum.add(at(level, first));
        return sum;
    }
};

// Begins the sums over n numbers each that are `unit` apart. `one` and `two` are as long as what is read.
template <class V>
Sum<V> flat_sum(const typename V::Wide *from, typename V::Wide *one, typename V::Wide *two, typename V::Wide *to,
                int64_t length, int64_t unit, int64_t n) {
    using W = typename V::Wide;
    Sum<V> sum(to, length);
    if (n <= DIRECT) {
        for (int64_t i = 0; i < n; i++) sum.add(from + i * unit);
        return sum;
    }
    int64_t all = length + (n - 1) * unit;
    bool begun = false;
    for (int64_t width = 1, done = 0;; width *= 4) {
        const W *rows[4];
        int64_t count = 0;
        if (begun) rows[count++] = to;
        for (int64_t digit = n / width % 4; digit > 0; digit--, done += width) rows[count++] = from + done * unit;
        if (count > begun) sum_rows<V>(rows, count, to, length);
        begun = count > 0;
        if (done == n) break;
        // What lies beyond the last whole block belongs to no window.
        all -= 3 * width * unit;
        for (int64_t i = 0; i < 4; i++) rows[i] = from + i * width * unit;
        sum_rows<V>(rows, 4, one, all);
        from = one;
        W *const free = two;
        two = one;
        one = free;
    }
    sum.add(to);
    return sum;
}

// What the loops below have met with: whether all of it was in range.
template <class V>
struct Seen {
    using W = typename V::Wide;
    typename V::Range s;
    V poison, largest;  // 0, or NaN where a result was not finite; the largest gradient
    double least_largest, most_largest;

    explicit Seen(const Limits &limits)
        : s(W(limits.low), W(limits.high)), poison(W(0)), largest(W(0)), least_largest(limits.smallest),
          most_largest(limits.largest) {}
    bool good(bool backward) const {
        if (!s.within()) return false;
        if (!backward) return true;
        W lanes[V::N], top = 0;
        poison.store(lanes);
        for (W lane : lanes)
            if (!(lane == 0)) return false;
        largest.store(lanes);
        for (W lane : lanes) top = lane > top ? lane : top;
        return top == 0 || (top >= least_largest && top <= most_largest);
    }
};

template <class V, class T>
void square(const Parts &parts, const Strided<T> x, typename V::Wide *q) {
    for (int64_t part = 0; part < parts.count; part++, q += parts.step) {
        const T *from = x.part(part);
        each_vector<V>(parts.length, [&](int64_t i) LOCALNORM_BODY {
            x.prefetch(from + i);
            const V v = V::load(from + i);
            (v * v).store(q + i);
        });
    }
}

// y = x s^-beta
template <int KIND, class V, class T>
void normalize(const Parts &parts, const Strided<T> x, const Pieces<V> &sums, const Strided<T> y,
               const Constants<V> &constants, Seen<V> &all) {
    with_count(sums, [&](auto known) LOCALNORM_BODY {
        constexpr int COUNT = known();
        const Constants<V> c = constants;
        typename V::Range seen(all.s.low, all.s.high);
        for (int64_t part = 0; part < parts.count; part++) {
            const typename V::Wide *rows[COUNT];
            for (int i = 0; i < COUNT; i++) rows[i] = sums.rows[i] + part * parts.step;
            const T *from = x.part(part);
            T *to = y.part(part);
            each_vector<V>(parts.length, [&](int64_t i) LOCALNORM_BODY {
                const V s = V::fma(c.alpha, tree<V, COUNT>(rows, i), c.k);
                seen.see(s);
                y.template prefetch<true>(to + i);
                (V::load(from + i) * power<KIND>(s, c)).store(to + i);
            });
        }
        all.s.join(seen);
    });
}

// r = g s^-beta, h = 2 alpha beta r x / s
template <int KIND, class V, class T>
void differentiate(const Parts &parts, const Strided<T> x, const Strided<T> grad, const Pieces<V> &sums,
                   typename V::Wide *r, typename V::Wide *h, const Constants<V> &constants, Seen<V> &all) {
    with_count(sums, [&](auto known) LOCALNORM_BODY {
        constexpr int COUNT = known();
        const Constants<V> c = constants;
        typename V::Range seen(all.s.low, all.s.high);
        V largest = all.largest;
        for (int64_t part = 0; part < parts.count; part++) {
            const typename V::Wide *rows[COUNT];
            const int64_t start = part * parts.step;
            for (int i = 0; i < COUNT; i++) rows[i] = sums.rows[i] + start;
            const T *from = x.part(part), *from_grad = grad.part(part);
            each_vector<V>(parts.length, [&](int64_t i) LOCALNORM_BODY {
                const V s = V::fma(c.alpha, tree<V, COUNT>(rows, i), c.k), g = V::load(from_grad + i);
                seen.see(s);
                grad.prefetch(from_grad + i);
                largest = V::max(V::abs(g), largest);
                const V direct = g * power<KIND>(s, c);
                direct.store(r + start + i);
                (direct * V::load(from + i) * (c.factor * reciprocal(s))).store(h + start + i);
            });
        }
        all.s.join(seen);
        all.largest = largest;
    });
}

// The gradient for x: r - x sum h
template <class V, class T>
void subtract(const Parts &parts, const Strided<T> x, const Pieces<V> &sums, const typename V::Wide *r,
              const Strided<T> y, Seen<V> &all) {
    with_count(sums, [&](auto known) LOCALNORM_BODY {
        constexpr int COUNT = known();
        V poison = all.poison;
        const V zero(typename V::Wide(0));
        for (int64_t part = 0; part < parts.count; part++) {
            const typename V::Wide *rows[COUNT];
            const int64_t start = part * parts.step;
            for (int i = 0; i < COUNT; i++) rows[i] = sums.rows[i] + start;
            const T *from = x.part(part);
            T *to = y.part(part);
            each_vector<V>(parts.length, [&](int64_t i) LOCALNORM_BODY {
                const V found = V::fnma(V::load(from + i), tree<V, COUNT>(rows, i), V::load(r + start + i));
                poison = V::fma(found, zero, poison);
                y.template prefetch<true>(to + i);
                found.store(to + i);
            });
        }
        all.poison = poison;
    });
}

// Adds what k, alpha and beta get: -beta e / s, -beta e q / s and -e log s with e = r x.
template <class V, class T>
void total(const Parts &parts, const Strided<T> x, const Pieces<V> &sums, const typename V::Wide *r,
           const Constants<V> &c, double *to) {
    using W = typename V::Wide;
    with_count(sums, [&](auto known) LOCALNORM_BODY {
        constexpr int COUNT = known();
        double found[3][V::N] = {};
        const V none(W(0));
        for (int64_t part = 0; part < parts.count; part++) {
            const W *rows[COUNT], *from_r = r + part * parts.step;
            for (int i = 0; i < COUNT; i++) rows[i] = sums.rows[i] + part * parts.step;
            const T *from = x.part(part);
            auto add = [&](V e, V q) LOCALNORM_BODY {
                const V s = V::fma(c.alpha, q, c.k), h = e * reciprocal(s) * (none - c.beta);
                h.add_to(found[0]);
                (h * q).add_to(found[1]);
                (none - e * log_of(s, W())).add_to(found[2]);
            };
            int64_t i = 0;
            for (; i + V::N <= parts.length; i += V::N)
                add(V::load(from_r + i) * V::load(from + i), tree<V, COUNT>(rows, i));
            if (i == parts.length) continue;
            // Of the last vector, that overlaps the one before it, the new numbers alone.
            const int64_t last = parts.length - V::N;
            W lanes[V::N];
            V::load(from_r + last).store(lanes);
            for (int64_t lane = 0; lane < i - last; lane++) lanes[lane] = 0;
            add(V::load(lanes) * V::load(from + last), tree<V, COUNT>(rows, last));
        }
        for (int value = 0; value < 3; value++)
            for (double lane : found[value]) to[value] += lane;
    });
}

}  // namespace
}  // namespace localnorm
