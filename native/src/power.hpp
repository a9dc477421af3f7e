// Powers and logarithms of vectors of positive normal numbers. Included by kernel.hpp, once for each instruction set.
#pragma once

namespace localnorm {
namespace {

// s^-beta is found by estimates or square roots where beta allows it.
enum Kind { HALF, THREE_QUARTERS, ONE, ANY };

inline Kind kind_of(double beta) {
    return beta == 0.5 ? HALF : beta == 0.75 ? THREE_QUARTERS : beta == 1.0 ? ONE : ANY;
}

// log2(1 + u) / u for 1 + u from sqrt(1/2) to sqrt(2), to 5e-8, and 2^f for f from -0.52 to 0.52, to 3e-9:
// interpolated at Chebyshev's points, highest power first.
constexpr float LOG2[] = {0.12614846229553223f,  -0.20742103457450867f, 0.21566985547542572f,
                          -0.23892034590244293f, 0.2879183292388916f,   -0.36070483922958374f,
                          0.48091059923171997f,  -0.7213473320007324f,  1.4426950216293335f};
constexpr float EXP2[] = {0.00015475145482923836f, 0.0013405901845544577f, 0.009618007577955723f, 0.055503129959106445f,
                          0.24022650718688965f,    0.6931472420692444f,    1.0f};
constexpr int32_t SQRT_HALF = 0x3f3504f3;
constexpr int MANTISSA = 23;

// Shorter polynomials, for vector types that look numbers up in tables of eight. The mantissa, from 0.71875 to 1.4375,
// falls into eight intervals of 2^20 float32 numbers each: 1 / c near the middle of each (1 where 1 lies in it), and
// log2(c), which is within 2e-12 of a float32 number. 2^(i/8), less i in the bits that the whole part brings along.
constexpr int EIGHTHS = 20;
constexpr int32_t FIRST_EIGHTH = 0x3f380000;
constexpr float INVERSES[] = {1.3337849f, 1.2300788f, 1.1422507f, 1.0665265f, 1.0f, 0.88863987f, 0.8000308f, 0.727235f};
constexpr float LOG2_EIGHTHS[] = {-0.41552606f, -0.29875076f, -0.19187927f, -0.09291986f,
                                  0.0f,         0.17032923f,  0.3218725f,   0.45950642f};
constexpr int32_t EXP2_EIGHTHS[] = {0x3f800000, 0x3f7b95c2, 0x3f7837f0, 0x3f75fed7,
                                    0x3f7504f3, 0x3f75672a, 0x3f7744fd, 0x3f7ac0c7};
// log2(1 + u) / u for u from -0.056 to 0.0625, and (2^f - 1) / f for f from -1/16 to 1/16.
constexpr float LOG2_SHORT[] = {-0.35769394f, 0.48209274f, -0.72135526f, 1.4426941f};
constexpr float EXP2_SHORT[] = {0.055511497f, 0.24025774f, 0.6931472f};

template <class V, int COUNT>
inline V polynomial(const float (&coefficients)[COUNT], V x) {
    V total(coefficients[0]);
    for (int i = 1; i < COUNT; i++) total = V::fma(total, x, V(coefficients[i]));
    return total;
}

// Returns log2(m), where s = m * 2^n and m is near 1.
template <class V>
inline V split(V s, V &n) {
    const auto bits = V::bits(s);
    if constexpr (V::TABLES) {
        const auto above = V::minus(bits, FIRST_EIGHTH), whole = V::template down<MANTISSA>(above);
        const auto eighth = V::template down<EIGHTHS>(above);
        n = V::real(whole);
        const V mantissa = V::number(V::minus(bits, V::template up<MANTISSA>(whole), 0));
        const V u = V::fma(mantissa, V::lookup(INVERSES, eighth), V(-1.0f));
        return V::fma(u, polynomial(LOG2_SHORT, u), V::lookup(LOG2_EIGHTHS, eighth));
    } else {
        const auto whole = V::template down<MANTISSA>(V::minus(bits, SQRT_HALF));
        n = V::real(whole);
        const V u = V::number(V::minus(bits, V::template up<MANTISSA>(whole), 0)) - V(1.0f);
        return u * polynomial(LOG2, u);
    }
}

// What the rows of a channel are computed with.
template <class V>
struct Constants {
    V k, alpha, beta, factor;  // factor is 2 alpha beta
    V upper, lower, exponent;  // -beta, and its parts: upper has few enough bits for its product with n to be exact
    double power;              // -beta

    Constants(double k_, double alpha_, double beta_) {
        using W = typename V::Wide;
        const double high = std::nearbyint(-beta_ * 4096) / 4096;
        k = V(W(k_));
        alpha = V(W(alpha_));
        beta = V(W(beta_));
        factor = V(W(2 * alpha_ * beta_));
        upper = V(W(high));
        lower = V(W(-beta_ - high));
        exponent = V(W(-beta_));
        power = -beta_;
    }
};

// e^(-beta log s) would lose |log s| epsilons in the product. So the whole part of -beta log2(s) goes into the bits
// of the result unrounded, and the product with n is exact.
template <class V>
inline V any_power(V s, const Constants<V> &c, float) {
    V n;
    const V log = split(s, n);
    // 1.5 * 2^23: added to a small number, it leaves the nearest integer in the last bits; or the nearest eighth.
    const V to_whole(V::TABLES ? 1572864.0f : 12582912.0f);
    const V small = V::fma(n, c.lower, log * c.exponent);
    const V whole = V::fma(n, c.upper, small) + to_whole;
    const V rest = V::fma(n, c.upper, to_whole - whole) + small;
    if constexpr (V::TABLES) {
        const auto bits = V::bits(whole);
        const V eighth = V::number(V::plus(V::bits(V::lookup(EXP2_EIGHTHS, bits)), V::template up<EIGHTHS>(bits)));
        return V::fma(eighth * rest, polynomial(EXP2_SHORT, rest), eighth);
    } else {
        const V found = polynomial(EXP2, rest);
        return V::number(V::plus(V::bits(found), V::template up<MANTISSA>(V::bits(whole))));
    }
}

template <class V, class F>
inline V lane_by_lane(V s, F f) {
    double lanes[V::N];
    s.store(lanes);
    for (double &lane : lanes) lane = f(lane);
    return V::load(lanes);
}

template <class V>
inline V any_power(V s, const Constants<V> &c, double) {
    return lane_by_lane(s, [&](double lane) { return std::pow(lane, c.power); });
}

template <class V>
inline V log_of(V s, float) {
    V n;
    const V log = split(s, n);
    return (n + log) * V(0.6931471805599453f);
}
template <class V>
inline V log_of(V s, double) {
    return lane_by_lane(s, [](double lane) { return std::log(lane); });
}

// An estimate y of a power is corrected by the series of (1 - e)^-p, where e is what is missing in y^(-1/p) * s to 1:
// with e of 12 bits, e^3 no longer counts, and what is left is about the rounding of e and of the last sum.
template <class V>
inline V reciprocal(V s) {
    if constexpr (V::ESTIMATES) {
        const V y = V::reciprocal_estimate(s), e = V::fnma(s, y, V(1.0f));
        return V::fma(y, V::fma(e, e, e), y);
    } else {
        return V::reciprocal(s);
    }
}

template <int KIND, class V>
inline V power(V s, const Constants<V> &c) {
    if constexpr (KIND == ANY) {
        return any_power(s, c, typename V::Wide());
    } else if constexpr (KIND == ONE) {
        return reciprocal(s);
    } else if constexpr (!V::ESTIMATES) {
        const V root = V::sqrt(s);
        return V::reciprocal(KIND == HALF ? root : root * V::sqrt(root));
    } else if constexpr (KIND == HALF) {
        const V y = V::root_estimate(s), e = V::fnma(s * y, y, V(1.0f));
        return V::fma(y * e, V::fma(e, V(0.375f), V(0.5f)), y);
    } else {
        // e = 1 - s^3 y^4, in factors that are all as moderate as roots of s.
        const V r = V::root_estimate(s), y = r * r * V::root_estimate(r), a = s * y, b = a * y;
        const V e = V::fnma(a * a, b, V(1.0f));
        return V::fma(y * e, V::fma(e, V(0.15625f), V(0.25f)), y);
    }
}

}  // namespace
}  // namespace localnorm
