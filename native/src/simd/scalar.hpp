// One number at a time, in operations that every processor has; compilers make vectors of these loops themselves.
// Also what the other vector types take over: numbers as bits, and half precision in integer operations.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

namespace localnorm {
namespace {

struct Float16 {
    uint16_t bits;
};
struct BFloat16 {
    uint16_t bits;
};

inline uint32_t bits_of(float number) {
    uint32_t bits;
    std::memcpy(&bits, &number, sizeof bits);
    return bits;
}
inline float number_of(uint32_t bits) {
    float number;
    std::memcpy(&number, &bits, sizeof number);
    return number;
}

inline float widen(float x) { return x; }
inline double widen(double x) { return x; }
inline float widen(BFloat16 x) { return number_of(uint32_t(x.bits) << 16); }
inline float widen(Float16 x) {
    const uint32_t magnitude = uint32_t(x.bits & 0x7fff) << 13, sign = uint32_t(x.bits & 0x8000) << 16;
    const uint32_t normal = magnitude + (112u << 23);
    // Without a subnormal float32 on the way, which a processor may be told to take for 0.
    const uint32_t subnormal = bits_of(number_of(magnitude + (113u << 23)) - number_of(113u << 23));
    const uint32_t finite = magnitude < 1u << 23 ? subnormal : normal;
    return number_of((magnitude >= 31u << 23 ? normal + (112u << 23) : finite) | sign);
}

inline void narrow(float x, float &to) { to = x; }
inline void narrow(double x, double &to) { to = x; }
inline void narrow(float x, BFloat16 &to) {
    const uint32_t bits = bits_of(x), nearest = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    to.bits = uint16_t((bits & 0x7fffffff) > 0x7f800000 ? bits >> 16 | 0x40 : nearest);
}
inline void narrow(float x, Float16 &to) {
    const uint32_t bits = bits_of(x), magnitude = bits & 0x7fffffff;
    // 0.5 is so large that its last place is that of the subnormals.
    const uint32_t subnormal = bits_of(number_of(magnitude < 113u << 23 ? magnitude : 0) + 0.5f) - 0x3f000000;
    const uint32_t normal = (magnitude + 0xfff + (magnitude >> 13 & 1) - (112u << 23)) >> 13;
    const uint32_t finite = magnitude < 113u << 23 ? subnormal : normal < 0x7c00 ? normal : 0x7c00;
    const uint32_t whole = magnitude > 0x7f800000 ? 0x7e00 : magnitude >= 143u << 23 ? 0x7c00 : finite;
    to.bits = uint16_t(whole | (bits >> 16 & 0x8000));
}

template <class W>
struct Scalar {
    using Wide = W;
    using Bits = int32_t;
    static constexpr int N = 1;
    W v;

    Scalar() = default;
    Scalar(W number) : v(number) {}
    template <class T>
    static Scalar load(const T *from) {
        T x;
        std::memcpy(&x, from, sizeof x);
        return widen(x);
    }
    template <class T>
    void store(T *to) const {
        T x;
        narrow(v, x);
        std::memcpy(to, &x, sizeof x);
    }
    friend Scalar operator+(Scalar a, Scalar b) { return a.v + b.v; }
    friend Scalar operator-(Scalar a, Scalar b) { return a.v - b.v; }
    friend Scalar operator*(Scalar a, Scalar b) { return a.v * b.v; }
    friend Scalar operator/(Scalar a, Scalar b) { return a.v / b.v; }
    static Scalar fma(Scalar a, Scalar b, Scalar c) { return a.v * b.v + c.v; }
    static Scalar fnma(Scalar a, Scalar b, Scalar c) { return c.v - a.v * b.v; }
    static Scalar max(Scalar a, Scalar b) { return a.v > b.v ? a.v : b.v; }
    static Scalar abs(Scalar a) { return std::fabs(a.v); }
    static Scalar sqrt(Scalar a) { return std::sqrt(a.v); }
    static Scalar reciprocal(Scalar a) { return 1 / a.v; }
    static constexpr bool ESTIMATES = false;

    // What the polynomials need of float32.
    static Bits bits(Scalar a) { return int32_t(bits_of(a.v)); }
    static Scalar number(Bits a) { return number_of(uint32_t(a)); }
    static Bits minus(Bits a, int32_t b) { return a - b; }
    static Bits minus(Bits a, Bits b, int) { return a - b; }
    static Bits plus(Bits a, Bits b) { return int32_t(uint32_t(a) + uint32_t(b)); }
    template <int COUNT>
    static Bits up(Bits a) { return int32_t(uint32_t(a) << COUNT); }
    template <int COUNT>
    static Bits down(Bits a) { return a >> COUNT; }
    static constexpr bool TABLES = false;
    static Scalar real(Bits a) { return W(a); }

    double total() const { return v; }
    // Adds the number to sums in double precision.
    void add_to(double *sums) const { sums[0] += v; }

    // Whether all numbers seen lie between low and high; a NaN does not.
    struct Range {
        W low, high;
        int outside = 0;
        Range(W from, W to) : low(from), high(to) {}
        void see(Scalar a) { outside |= !(a.v >= low) | !(a.v <= high); }
        void join(const Range &other) { outside |= other.outside; }
        bool within() const { return !outside; }
    };
};

}  // namespace
}  // namespace localnorm
