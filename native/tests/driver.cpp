// Runs the library over random shapes, strides, dtypes and windows, on several threads, with guarded memory around
// every array, and compares it with the definition written out. For the sanitizers: it prints what fails, and returns 1.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include "localnorm.h"
#include "simd/scalar.hpp"

using namespace localnorm;

namespace {

std::mt19937_64 generator(1);
int64_t draw(int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(generator); }
double normal() { return std::normal_distribution<double>()(generator); }

constexpr int64_t SIZES[] = {2, 2, 4, 8};
constexpr double EPSILONS[] = {0x1p-10, 0x1p-7, 0x1p-23, 0x1p-52};
constexpr int64_t GUARD = 64;
constexpr unsigned char CANARY = 0xa5;

// An array of a random layout: axes in any order, cut, mirrored, or (if it is only read) without extent in memory.
struct Array {
    std::vector<unsigned char> memory;
    std::vector<int64_t> strides, shape;
    uint32_t dtype;
    unsigned char *data;

    Array(const std::vector<int64_t> &shape_, uint32_t dtype_, bool written) : shape(shape_), dtype(dtype_) {
        const int64_t rank = shape.size(), item = SIZES[dtype];
        std::vector<int64_t> order(rank);
        for (int64_t i = 0; i < rank; i++) order[i] = i;
        if (draw(0, 1)) std::shuffle(order.begin(), order.end(), generator);
        strides.resize(rank);
        int64_t size = item + (draw(0, 7) == 0), first = 0;
        for (int64_t i = rank - 1; i >= 0; i--) {
            const int64_t a = order[i], cut = draw(0, 9) ? 1 : 2;
            const bool mirrored = draw(0, 9) == 0, none = !written && draw(0, 14) == 0;
            strides[a] = none ? 0 : mirrored ? -size * cut : size * cut;
            if (mirrored && !none && shape[a]) first += size * cut * (shape[a] - 1);
            if (!none) size *= cut * shape[a];
        }
        memory.assign(size + 2 * GUARD + 8, CANARY);
        data = memory.data() + GUARD + first + draw(0, 3) * (item > 2 ? 1 : 2);
    }
    unsigned char *at(const std::vector<int64_t> &index) const {
        unsigned char *found = data;
        for (size_t a = 0; a < index.size(); a++) found += index[a] * strides[a];
        return found;
    }
    double get(const std::vector<int64_t> &index) const {
        switch (dtype) {
            case LOCALNORM_FLOAT16: return Scalar<float>::load(reinterpret_cast<const Float16 *>(at(index))).v;
            case LOCALNORM_BFLOAT16: return Scalar<float>::load(reinterpret_cast<const BFloat16 *>(at(index))).v;
            case LOCALNORM_FLOAT32: return Scalar<float>::load(reinterpret_cast<const float *>(at(index))).v;
            default: return Scalar<double>::load(reinterpret_cast<const double *>(at(index))).v;
        }
    }
    void set(const std::vector<int64_t> &index, double x) const {
        switch (dtype) {
            case LOCALNORM_FLOAT16: return Scalar<float>(float(x)).store(reinterpret_cast<Float16 *>(at(index)));
            case LOCALNORM_BFLOAT16: return Scalar<float>(float(x)).store(reinterpret_cast<BFloat16 *>(at(index)));
            case LOCALNORM_FLOAT32: return Scalar<float>(float(x)).store(reinterpret_cast<float *>(at(index)));
            default: return Scalar<double>(x).store(reinterpret_cast<double *>(at(index)));
        }
    }
};

template <class F>
void each(const std::vector<int64_t> &first, const std::vector<int64_t> &last, F f) {
    for (size_t a = 0; a < first.size(); a++)
        if (first[a] > last[a]) return;
    std::vector<int64_t> index = first;
    for (;;) {
        f(index);
        int64_t a = int64_t(index.size()) - 1;
        for (; a >= 0 && index[a] == last[a]; a--) index[a] = first[a];
        if (a < 0) return;
        index[a]++;
    }
}

template <class F>
void window(const localnorm_call &call, const std::vector<int64_t> &index, bool mirrored, F f) {
    std::vector<int64_t> first = index, last = index;
    for (size_t a = 0; a < index.size(); a++) {
        if (!(call.window_axes >> a & 1)) continue;
        first[a] = std::max<int64_t>(index[a] - (mirrored ? call.hi : call.lo), 0);
        last[a] = std::min(index[a] + (mirrored ? call.lo : call.hi), call.shape[a] - 1);
    }
    each(first, last, f);
}

int run(localnorm_call &call, int threads) {
    call.tiles = localnorm_tiles(&call);
    call.next = call.status = 0;
    if (call.tiles < 0) return int(call.tiles);
    std::vector<std::thread> team;
    for (int i = 0; i < threads; i++) team.emplace_back(localnorm_work, &call);
    for (std::thread &thread : team) thread.join();
    return int(call.status);
}

int failures = 0;
void expect(bool good, const char *what, int round) {
    if (!good && failures++ < 20) std::printf("round %d: %s\n", round, what);
}

void one(int round) {
    const int64_t rank = draw(1, 4);
    std::vector<int64_t> shape(rank);
    for (int64_t &extent : shape) extent = draw(0, 30) == 0 ? 0 : draw(1, rank == 1 ? 300 : rank == 2 ? 70 : 20);
    const uint32_t dtype = uint32_t(draw(0, 3));
    localnorm_call call{};
    call.struct_size = sizeof call;
    call.abi = LOCALNORM_ABI;
    call.pass = uint32_t(draw(0, 1));
    call.dtype = dtype;
    call.rank = uint32_t(rank);
    call.shape = shape.data();
    call.window_axes = draw(0, 3) ? uint64_t(1) << draw(0, rank - 1) : uint64_t(draw(1, (1 << rank) - 1));
    call.lo = draw(0, 3) ? draw(0, 3) : draw(0, 40);
    call.hi = draw(0, 3) ? draw(0, 3) : draw(0, 40);
    std::vector<double> k{1.5}, alpha{0.7}, beta{draw(0, 1) ? 0.75 : 0.6};
    call.values = 1;
    call.value_axis = -1;
    int64_t values_along = draw(0, 3) ? -1 : draw(0, rank - 1);
    if (values_along >= 0 && (!(call.window_axes >> values_along & 1) || !(call.window_axes & (call.window_axes - 1)))) {
        call.value_axis = values_along;
        call.values = shape[values_along];
        k.resize(call.values), alpha.resize(call.values), beta.resize(call.values);
        for (int64_t i = 0; i < call.values; i++) k[i] = 1 + i % 3, alpha[i] = 0.5 + i % 2, beta[i] = 0.5 + 0.125 * (i % 5);
        if (!call.values) k.resize(1), alpha.resize(1), beta.resize(1);
    }
    call.k = k.data(), call.alpha = alpha.data(), call.beta = beta.data();
    Array x(shape, dtype, false), grad(shape, dtype, false), out(shape, dtype, true);
    std::vector<int64_t> zero(rank, 0), last(shape);
    for (int64_t &extent : last) extent--;
    const double spike = draw(0, 5) ? 1 : dtype == LOCALNORM_FLOAT64 ? 1e200 : dtype == LOCALNORM_FLOAT16 ? 3e4 : 1e30;
    each(zero, last, [&](const std::vector<int64_t> &index) {
        x.set(index, normal() * (draw(0, 99) ? 1 : spike));
        grad.set(index, normal());
    });
    call.x = {x.data, x.strides.data()};
    call.grad = {grad.data, grad.strides.data()};
    call.out = {out.data, out.strides.data()};
    const auto before = x.memory;
    std::vector<double> sums;
    const bool learned = call.pass == LOCALNORM_BACKWARD && draw(0, 1);
    if (learned) {
        sums.resize(localnorm_sums(&call) + 1);
        call.sums = sums.data();
    }
    expect(run(call, int(draw(1, 3))) == 0, "status", round);
    expect(before == x.memory, "x was written to", round);
    if (learned) {
        std::vector<double> first(3 * call.values + 1), second(first);
        expect(localnorm_totals(&call, first.data()) == 0, "totals", round);
        expect(run(call, 1) == 0 && localnorm_totals(&call, second.data()) == 0, "again", round);
        expect(!std::memcmp(first.data(), second.data(), first.size() * sizeof(double)), "sums depend on threads", round);
    }
    // The definition, in long double where that is wider, relative to the largest term.
    const double epsilon = dtype == LOCALNORM_FLOAT64 ? 0x1p-52 : 0x1p-23;
    auto value = [&](const std::vector<int64_t> &index) { return call.value_axis < 0 ? 0 : index[call.value_axis]; };
    auto power = [&](const std::vector<int64_t> &index, long double extra) {
        long double s = 0;
        window(call, index, false, [&](const std::vector<int64_t> &j) { s += (long double)x.get(j) * x.get(j); });
        const int64_t v = value(index);
        return std::pow(k[v] + alpha[v] * s, -(long double)beta[v] - extra);
    };
    std::vector<unsigned char> mask(out.memory.size(), 0);
    each(zero, last, [&](const std::vector<int64_t> &index) {
        const int64_t place = out.at(index) - out.memory.data();
        std::memset(mask.data() + place, 1, SIZES[dtype]);
        if (draw(0, 9) && round % 8) return;  // a part of them is enough
        long double want, largest;
        if (call.pass == LOCALNORM_FORWARD) {
            want = x.get(index) * power(index, 0);
            largest = std::fabs(want);
        } else {
            long double through = 0, size = 0;
            window(call, index, true, [&](const std::vector<int64_t> &c) {
                const int64_t v = value(c);
                const long double term = 2 * alpha[v] * beta[v] * grad.get(c) * x.get(c) * power(c, 1) * x.get(index);
                through += term;
                size += std::fabs(term);
            });
            const long double direct = grad.get(index) * power(index, 0);
            want = direct - through;
            largest = std::max(std::fabs(direct), size);
        }
        const long double bound = 8 * epsilon * largest + EPSILONS[dtype] * std::fabs(want) * (dtype < 2) +
                                  (dtype == LOCALNORM_FLOAT16 ? 0x1p-24L : dtype == LOCALNORM_FLOAT64 ? 1e-320L : 1e-38L);
        const double got = out.get(index);
        const bool beyond = dtype == LOCALNORM_FLOAT16 && std::fabs(want) > 65000;
        // Compared in long double, squares of what float64 holds are in range; elsewhere skip what is not.
        if (std::isfinite(want) && std::isfinite(largest) && !beyond)
            expect(std::fabs(got - want) <= bound, call.pass ? "gradient" : "forward", round);
    });
    bool clean = true;
    for (size_t i = 0; i < mask.size(); i++) clean = clean && (mask[i] || out.memory[i] == CANARY);
    expect(clean, "memory beside the output was written to", round);
}

void refused() {
    int64_t shape[] = {2, 3}, strides[] = {12, 4};
    double k = 1, alpha = 1, beta = 1;
    localnorm_call call{};
    call.struct_size = sizeof call, call.abi = LOCALNORM_ABI, call.dtype = LOCALNORM_FLOAT32, call.rank = 2;
    call.shape = shape, call.window_axes = 2, call.lo = call.hi = 1, call.values = 1, call.value_axis = -1;
    call.k = &k, call.alpha = &alpha, call.beta = &beta;
    call.x.strides = call.out.strides = strides;
    expect(localnorm_tiles(&call) == 1, "a good call", -1);
    expect(localnorm_run(&call, 0, 1) == LOCALNORM_BAD_ARGUMENT, "null pointers", -1);
    auto with = [&](auto change) {
        localnorm_call other = call;
        change(other);
        return localnorm_tiles(&other);
    };
    expect(with([](auto &c) { c.struct_size -= 8; }) == LOCALNORM_BAD_SIZE, "size", -1);
    expect(with([](auto &c) { c.abi++; }) == LOCALNORM_BAD_ABI, "abi", -1);
    expect(with([](auto &c) { c.flags = 1; }) == LOCALNORM_BAD_FLAGS, "flags", -1);
    expect(with([](auto &c) { c.reserved[7] = 1; }) == LOCALNORM_BAD_FLAGS, "reserved", -1);
    expect(with([](auto &c) { c.window_axes = 4; }) == LOCALNORM_BAD_ARGUMENT, "axis", -1);
    expect(with([](auto &c) { c.lo = -1; }) == LOCALNORM_BAD_ARGUMENT, "lo", -1);
    expect(with([](auto &c) { c.dtype = 4; }) == LOCALNORM_BAD_ARGUMENT, "dtype", -1);
    alpha = NAN;
    expect(localnorm_tiles(&call) == LOCALNORM_BAD_ARGUMENT, "alpha", -1);
}

}  // namespace

int main(int count, char **arguments) {
    const int rounds = count > 1 ? std::atoi(arguments[1]) : 600;
    refused();
    for (int round = 0; round < rounds; round++) one(round);
    std::printf("%s: %d rounds, %d failures\n", localnorm_isa(), rounds, failures);
    return failures != 0;
}
