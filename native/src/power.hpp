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

template <class V, int COUNT>
inline V polynomial(const float (&coefficients)[COUNT], V x) {
    V total(coefficients[0]);
    for (int i = 1; i < COUNT; i++) total = V::fma(total, x, V(coefficients[i]));
    return total;
}

// Returns log2(1 + u), where s = (1 + u) * 2^n.
template <class V>
inline V split(V s, V &n) {
    const auto bits = V::bits(s);
    const auto whole = V::template down<MANTISSA>(V::minus(bits, SQRT_HALF));
    n = V::real(whole);
    const V u = V::number(V::minus(bits, V::template up<MANTISSA>(whole), 0)) - V(1.0f);
    return u * polynomial(LOG2, u);
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
    const V to_whole(12582912.0f);  // 1.5 * 2^23: added to a small number, it leaves the nearest integer in the last bits
    const V small = V::fma(n, c.lower, log * c.exponent);
    const V whole = V::fma(n, c.upper, small) + to_whole;
    const V found = polynomial(EXP2, V::fma(n, c.upper, to_whole - whole) + small);
    return V::number(V::plus(V::bits(found), V::template up<MANTISSA>(V::bits(whole))));
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
