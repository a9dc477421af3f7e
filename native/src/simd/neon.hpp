// Vectors of 128 bits: NEON of 64-bit ARM.
#pragma once

#include <arm_neon.h>

#include "scalar.hpp"

namespace localnorm {
namespace {

struct Float4 {
    using Wide = float;
    using Bits = int32x4_t;
    static constexpr int N = 4;
    float32x4_t v;

    Float4() = default;
    Float4(float32x4_t a) : v(a) {}
    Float4(float a) : v(vdupq_n_f32(a)) {}
    static Float4 load(const float *from) { return vld1q_f32(from); }
    static Float4 load(const Float16 *from) { return vcvt_f32_f16(vreinterpret_f16_u16(halves(from))); }
    static Float4 load(const BFloat16 *from) { return vreinterpretq_f32_u32(vshll_n_u16(halves(from), 16)); }
    static uint16x4_t halves(const void *from) { return vld1_u16(static_cast<const uint16_t *>(from)); }
    void store(float *to) const { vst1q_f32(to, v); }
    void store(Float16 *to) const {
        vst1_u16(reinterpret_cast<uint16_t *>(to), vreinterpret_u16_f16(vcvt_f16_f32(v)));
    }
    // Of a NaN, which goes to slower arithmetic in the end, this need not make one.
    void store(BFloat16 *to) const {
        const uint32x4_t bits = vreinterpretq_u32_f32(v), odd = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
        const uint32x4_t nearest = vaddq_u32(vaddq_u32(bits, vdupq_n_u32(0x7fff)), odd);
        vst1_u16(reinterpret_cast<uint16_t *>(to), vshrn_n_u32(nearest, 16));
    }
    friend Float4 operator+(Float4 a, Float4 b) { return vaddq_f32(a.v, b.v); }
    friend Float4 operator-(Float4 a, Float4 b) { return vsubq_f32(a.v, b.v); }
    friend Float4 operator*(Float4 a, Float4 b) { return vmulq_f32(a.v, b.v); }
    static Float4 fma(Float4 a, Float4 b, Float4 c) { return vfmaq_f32(c.v, a.v, b.v); }
    static Float4 fnma(Float4 a, Float4 b, Float4 c) { return vfmsq_f32(c.v, a.v, b.v); }
    static Float4 max(Float4 a, Float4 b) { return vmaxq_f32(a.v, b.v); }
    static Float4 abs(Float4 a) { return vabsq_f32(a.v); }
    // The estimates have 8 bits; one step makes 16 of them.
    static constexpr bool ESTIMATES = true;
    static Float4 root_estimate(Float4 a) {
        const float32x4_t y = vrsqrteq_f32(a.v);
        return vmulq_f32(y, vrsqrtsq_f32(vmulq_f32(a.v, y), y));
    }
    static Float4 reciprocal_estimate(Float4 a) {
        const float32x4_t y = vrecpeq_f32(a.v);
        return vmulq_f32(y, vrecpsq_f32(a.v, y));
    }

    static Bits bits(Float4 a) { return vreinterpretq_s32_f32(a.v); }
    static Float4 number(Bits a) { return vreinterpretq_f32_s32(a); }
    static Bits minus(Bits a, int32_t b) { return vsubq_s32(a, vdupq_n_s32(b)); }
    static Bits minus(Bits a, Bits b, int) { return vsubq_s32(a, b); }
    static Bits plus(Bits a, Bits b) { return vaddq_s32(a, b); }
    template <int COUNT>
    static Bits up(Bits a) { return vshlq_n_s32(a, COUNT); }
    template <int COUNT>
    static Bits down(Bits a) { return vshrq_n_s32(a, COUNT); }
    static constexpr bool TABLES = false;
    static Float4 real(Bits a) { return vcvtq_f32_s32(a); }

    void add_to(double *sums) const {
        vst1q_f64(sums, vaddq_f64(vld1q_f64(sums), vcvt_f64_f32(vget_low_f32(v))));
        vst1q_f64(sums + 2, vaddq_f64(vld1q_f64(sums + 2), vcvt_high_f64_f32(v)));
    }

    // The bits of positive numbers are in the order of the numbers, and those of NaNs beyond them all.
    struct Range {
        int32x4_t least = vdupq_n_s32(INT32_MAX), most = vdupq_n_s32(INT32_MIN);
        float low, high;
        Range(float from, float to) : low(from), high(to) {}
        void see(Float4 a) {
            least = vminq_s32(least, bits(a));
            most = vmaxq_s32(most, bits(a));
        }
        void join(const Range &other) {
            least = vminq_s32(least, other.least);
            most = vmaxq_s32(most, other.most);
        }
        bool within() const {
            return vminvq_s32(least) >= int32_t(bits_of(low)) && vmaxvq_s32(most) <= int32_t(bits_of(high));
        }
    };
};

struct Double2 {
    using Wide = double;
    static constexpr int N = 2;
    float64x2_t v;

    Double2() = default;
    Double2(float64x2_t a) : v(a) {}
    Double2(double a) : v(vdupq_n_f64(a)) {}
    static Double2 load(const double *from) { return vld1q_f64(from); }
    void store(double *to) const { vst1q_f64(to, v); }
    friend Double2 operator+(Double2 a, Double2 b) { return vaddq_f64(a.v, b.v); }
    friend Double2 operator-(Double2 a, Double2 b) { return vsubq_f64(a.v, b.v); }
    friend Double2 operator*(Double2 a, Double2 b) { return vmulq_f64(a.v, b.v); }
    static Double2 fma(Double2 a, Double2 b, Double2 c) { return vfmaq_f64(c.v, a.v, b.v); }
    static Double2 fnma(Double2 a, Double2 b, Double2 c) { return vfmsq_f64(c.v, a.v, b.v); }
    static Double2 max(Double2 a, Double2 b) { return vmaxq_f64(a.v, b.v); }
    static Double2 abs(Double2 a) { return vabsq_f64(a.v); }
    static Double2 sqrt(Double2 a) { return vsqrtq_f64(a.v); }
    static Double2 reciprocal(Double2 a) { return vdivq_f64(vdupq_n_f64(1.0), a.v); }
    static constexpr bool ESTIMATES = false;
    void add_to(double *sums) const { vst1q_f64(sums, vaddq_f64(vld1q_f64(sums), v)); }

    struct Range {
        uint64x2_t inside = vdupq_n_u64(~uint64_t(0));
        double low, high;
        Range(double from, double to) : low(from), high(to) {}
        void see(Double2 a) {
            inside = vandq_u64(inside, vcgeq_f64(a.v, vdupq_n_f64(low)));
            inside = vandq_u64(inside, vcleq_f64(a.v, vdupq_n_f64(high)));
        }
        void join(const Range &other) { inside = vandq_u64(inside, other.inside); }
        bool within() const { return (vgetq_lane_u64(inside, 0) & vgetq_lane_u64(inside, 1)) == ~uint64_t(0); }
    };
};

}  // namespace
}  // namespace localnorm
