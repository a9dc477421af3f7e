#include "robust.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <new>

#include "simd/scalar.hpp"

namespace localnorm {

namespace {

double read(const char *from, uint32_t dtype) {
    switch (dtype) {
        case LOCALNORM_FLOAT16: return Scalar<float>::load(reinterpret_cast<const Float16 *>(from)).v;
        case LOCALNORM_BFLOAT16: return Scalar<float>::load(reinterpret_cast<const BFloat16 *>(from)).v;
        case LOCALNORM_FLOAT32: return Scalar<float>::load(reinterpret_cast<const float *>(from)).v;
        default: return Scalar<double>::load(reinterpret_cast<const double *>(from)).v;
    }
}

// Rounds to float32 so that rounding once more to a half is as rounding once: to odd where that is not exact.
float to_odd(double x) {
    const float nearest = float(x);
    if (double(nearest) == x || !std::isfinite(x)) return nearest;
    const uint32_t bits = bits_of(nearest);
    return number_of((std::fabs(double(nearest)) > std::fabs(x) ? bits - 1 : bits) | 1);
}

void write(double x, char *to, uint32_t dtype) {
    switch (dtype) {
        case LOCALNORM_FLOAT16: return Scalar<float>(to_odd(x)).store(reinterpret_cast<Float16 *>(to));
        case LOCALNORM_BFLOAT16: return Scalar<float>(to_odd(x)).store(reinterpret_cast<BFloat16 *>(to));
        case LOCALNORM_FLOAT32: return Scalar<float>(float(x)).store(reinterpret_cast<float *>(to));
        default: return Scalar<double>(x).store(reinterpret_cast<double *>(to));
    }
}

// A sum with what its roundings lose added up beside it.
struct Compensated {
    double sum = 0, lost = 0;
    void add(double x) {
        const double next = sum + x;
        lost += std::fabs(sum) >= std::fabs(x) ? (sum - next) + x : (x - next) + sum;
        sum = next;
    }
    double value() const { return std::isfinite(sum) ? sum + lost : sum; }
};

// s = m^2 t, where m is a power of two near the root of the largest term: so nothing overflows and nothing vanishes.
struct Position {
    bool finite, good;  // what stands in the output; s
    double x, grad, m, squares, t, h;  // squares of x / m; 2 alpha beta g x m s^(-beta-1)
};

// Returns x (m^2 t)^-beta in factors whose products leave the range only if the result does.
double times_power(double x, double m, double t, double beta) {
    const double of_t = std::pow(t, -beta);
    if (m == 1) return x * of_t;
    const double of_m = std::pow(m, -beta);
    if (of_m >= 0x1p-1000 && of_m <= 0x1p1000) return x * of_m * of_t * of_m;
    const double part = std::pow(m, -beta / 4), part_of_t = std::pow(t, -beta / 4);
    for (int i = 0; i < 4; i++) x = x * part * part_of_t * part;
    return x;
}

// One index of seg and elem: all that its windows reach.
class Column {
    const Plan &plan;
    const localnorm_call &call;
    const Limits &limits;
    const bool backward;
    int axes = 1;
    int64_t size = 1;
    Axis axis[LOCALNORM_MAX_RANK + 1];
    int64_t unit[LOCALNORM_MAX_RANK + 1];
    std::unique_ptr<Position[]> at;

  public:
    Column(const Plan &plan_, const localnorm_call &call_, const Limits &limits_)
        : plan(plan_), call(call_), limits(limits_), backward(call_.pass == LOCALNORM_BACKWARD) {
        axis[0] = plan.ring;
        for (int i = 0; i < plan.inners; i++) axis[axes++] = plan.inner[i];
        for (int i = axes - 1; i >= 0; size *= axis[i--].extent) unit[i] = size;
        at.reset(new (std::nothrow) Position[size]);
    }
    bool ready() const { return bool(at); }

    void run(const View *views, int64_t value, bool all, double *sums) {
        double largest = 0;
        bool all_good = true;
        each([&](int64_t p, const int64_t *index) {
            at[p].x = read(place(views[X], index), call.dtype);
            at[p].grad = backward ? read(place(views[GRAD], index), call.dtype) : 0;
            // Written so that a NaN stays.
            largest = std::fabs(at[p].grad) <= largest ? largest : std::fabs(at[p].grad);
            at[p].finite = std::isfinite(read(place(views[OUT], index), call.dtype));
        });
        all = all || !(largest == 0 || (largest >= limits.smallest && largest <= limits.largest));
        each([&](int64_t p, const int64_t *index) {
            Position &here = at[p];
            sum_squares(here, index, value_of(value, index));
            const double s = here.t * here.m * here.m;
            here.good = !all && s >= limits.low && s <= limits.high;
            all_good = all_good && here.good && here.finite;
        });
        if (all_good) return;
        if (backward)
            differentiate(views, value, sums);
        else
            each([&](int64_t p, const int64_t *index) {
                if (at[p].good && at[p].finite) return;
                const double beta = call.beta[value_of(value, index)];
                write(times_power(at[p].x, at[p].m, at[p].t, beta), place(views[OUT], index), call.dtype);
            });
    }

  private:
    int64_t value_of(int64_t value, const int64_t *index) const { return plan.values_in_ring ? index[0] : value; }

    char *place(const View &view, const int64_t *index) const {
        char *found = view.at + index[0] * view.ring;
        for (int i = 1; i < axes; i++) found += index[i] * view.inner[i - 1];
        return found;
    }

    template <class F>
    void box(const int64_t *first, const int64_t *last, F f) const {
        int64_t index[LOCALNORM_MAX_RANK + 1], p = 0;
        for (int i = 0; i < axes; i++) p += (index[i] = first[i]) * unit[i];
        for (;;) {
            const int inner = axes - 1;
            for (index[inner] = first[inner]; index[inner] <= last[inner]; index[inner]++) f(p++, index);
            p -= last[inner] + 1 - first[inner];
            int i = inner - 1;
            for (; i >= 0 && index[i] == last[i]; i--) {
                p -= (last[i] - first[i]) * unit[i];
                index[i] = first[i];
            }
            if (i < 0) return;
            index[i]++;
            p += unit[i];
        }
    }
    template <class F>
    void each(F f) const {
        int64_t first[LOCALNORM_MAX_RANK + 1] = {}, last[LOCALNORM_MAX_RANK + 1];
        for (int i = 0; i < axes; i++) last[i] = axis[i].extent - 1;
        box(first, last, f);
    }
    template <class F>
    void window(const int64_t *index, bool mirrored, F f) const {
        int64_t first[LOCALNORM_MAX_RANK + 1], last[LOCALNORM_MAX_RANK + 1];
        for (int i = 0; i < axes; i++) {
            first[i] = std::max<int64_t>(index[i] - (mirrored ? axis[i].hi : axis[i].lo), 0);
            last[i] = std::min(index[i] + (mirrored ? axis[i].lo : axis[i].hi), axis[i].extent - 1);
        }
        box(first, last, [&](int64_t p, const int64_t *) { f(at[p]); });
    }

    void sum_squares(Position &here, const int64_t *index, int64_t value) const {
        const double k = call.k[value], alpha = call.alpha[value];
        double most = 0;
        // Written so that a NaN stays.
        window(index, false, [&](const Position &other) { most = std::fabs(other.x) <= most ? most : std::fabs(other.x); });
        most = std::max(std::sqrt(k), std::sqrt(alpha) * most);
        here.m = 1;
        if (std::isfinite(most) && most != 0 && !(most >= 0x1p-200 && most <= 0x1p200)) {
            int exponent;
            std::frexp(most, &exponent);
            here.m = std::ldexp(1.0, std::clamp(exponent, -1021, 1023));
        }
        Compensated squares;
        window(index, false, [&](const Position &other) {
            const double ratio = other.x / here.m;
            squares.add(ratio * ratio);
        });
        here.squares = squares.value();
        here.t = k / here.m / here.m + (alpha ? alpha * here.squares : 0);
    }

    void differentiate(const View *views, int64_t value, double *sums) {
        each([&](int64_t p, const int64_t *index) {
            Position &here = at[p];
            const int64_t v = value_of(value, index);
            const double alpha = call.alpha[v], beta = call.beta[v];
            // g (x / m) s^-beta / t, which is h m: kept in range by the ratio.
            const double h = times_power(here.grad * (here.x / here.m), here.m, here.t, beta) / here.t;
            here.h = alpha ? 2 * alpha * beta * h : 0;
            if (!sums) return;
            const double y = times_power(here.x, here.m, here.t, beta);
            double *to = sums + (plan.values_in_ring ? 3 * v : 0);
            to[0] -= beta * h / here.m;
            to[1] -= beta * here.grad * y * (here.squares / here.t);
            to[2] -= here.grad * y * (std::log(here.t) + 2 * std::log(here.m));
        });
        each([&](int64_t p, const int64_t *index) {
            const Position &here = at[p];
            const double beta = call.beta[value_of(value, index)];
            Compensated through;
            bool good = here.finite;
            // The window of c holds j where the mirrored window of j holds c.
            window(index, true, [&](const Position &other) {
                through.add(other.h * (here.x / other.m));
                good = good && other.good;
            });
            if (good) return;
            const double direct = times_power(here.grad, here.m, here.t, beta);
            // Where alpha is 0, squares may have overflowed, and count for nothing.
            const bool alone = !plan.values_in_ring && call.alpha[value] == 0;
            write(alone ? direct : direct - through.value(), place(views[OUT], index), call.dtype);
        });
    }
};

}  // namespace

Limits make_limits(const localnorm_call &call) {
    const bool wide = call.dtype == LOCALNORM_FLOAT64, backward = call.pass == LOCALNORM_BACKWARD;
    double steepest = 0;
    bool plain = true;
    for (int64_t i = 0; i < call.values; i++) {
        const double alpha = call.alpha[i];
        steepest = std::max(steepest, std::fabs(call.beta[i]));
        // Beyond these a product of alpha may vanish or overflow before its sum does.
        plain = plain && (alpha == 0 || (alpha >= (backward ? 0x1p-40 : 0x1p-100) && alpha <= 0x1p40));
    }
    // What s errs by in float32 must not be raised to too high a power.
    plain = plain && steepest <= (wide ? 16 : 2);
    const double high = std::exp2((wide ? 1000 : 100) / (steepest + 1)), factors = wide ? 400 : 60;
    // Below a part of that, squares that vanished may have mattered.
    const double low = std::max(1 / high, wide ? 0x1p-400 : 0x1p-60);
    return {plain, low, high, std::exp2(-factors), std::exp2(factors)};
}

int robust(const Plan &plan, const localnorm_call &call, const Limits &limits, const Tile &tile, int64_t segs,
           const View *views, bool all, double *sums) {
    Column column(plan, call, limits);
    if (!column.ready()) return LOCALNORM_NO_MEMORY;
    View here[ARRAYS];
    for (int64_t seg = 0; seg < segs; seg++) {
        for (int64_t elem = 0; elem < tile.elems; elem++) {
            for (int a = 0; a < ARRAYS; a++) {
                here[a] = views[a];
                here[a].at += seg * views[a].seg + elem * views[a].elem;
            }
            column.run(here, tile.value, all, sums);
        }
    }
    return 0;
}

}  // namespace localnorm
