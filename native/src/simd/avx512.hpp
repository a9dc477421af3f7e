// Vectors of 512 bits: AVX-512 F, BW, DQ and VL.
#pragma once

#include <immintrin.h>

#include "scalar.hpp"

namespace localnorm {
namespace {

struct FloatX16 {
    using Wide = float;
    using Bits = __m512i;
    static constexpr int N = 16;
    __m512 v;

    FloatX16() = default;
    FloatX16(__m512 a) : v(a) {}
    FloatX16(float a) : v(_mm512_set1_ps(a)) {}
    static FloatX16 load(const float *from) { return _mm512_loadu_ps(from); }
    static FloatX16 load(const Float16 *from) { return _mm512_cvtph_ps(halves(from)); }
    static FloatX16 load(const BFloat16 *from) {
        return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves(from)), 16));
    }
    static __m256i halves(const void *from) { return _mm256_loadu_si256(static_cast<const __m256i *>(from)); }
    void store(float *to) const { _mm512_storeu_ps(to, v); }
    void store(Float16 *to) const {
        _mm256_storeu_si256(reinterpret_cast<__m256i *>(to), _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
    }
    // The value may be wrong for a NaN: the tile is then computed again by robust.cpp.
    void store(BFloat16 *to) const {
        const __m512i bits = _mm512_castps_si512(v);
        const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
        const __m512i nearest = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd);
        const __m256i packed = _mm512_cvtepi32_epi16(_mm512_srli_epi32(nearest, 16));
        _mm256_storeu_si256(reinterpret_cast<__m256i *>(to), packed);
    }
    friend FloatX16 operator+(FloatX16 a, FloatX16 b) { return _mm512_add_ps(a.v, b.v); }
    friend FloatX16 operator-(FloatX16 a, FloatX16 b) { return _mm512_sub_ps(a.v, b.v); }
    friend FloatX16 operator*(FloatX16 a, FloatX16 b) { return _mm512_mul_ps(a.v, b.v); }
    static FloatX16 fma(FloatX16 a, FloatX16 b, FloatX16 c) { return _mm512_fmadd_ps(a.v, b.v, c.v); }
    static FloatX16 fnma(FloatX16 a, FloatX16 b, FloatX16 c) { return _mm512_fnmadd_ps(a.v, b.v, c.v); }
    static FloatX16 max(FloatX16 a, FloatX16 b) { return _mm512_max_ps(a.v, b.v); }
    static FloatX16 abs(FloatX16 a) { return _mm512_abs_ps(a.v); }
    // To 14 bits.
    static constexpr bool ESTIMATES = true;
    static FloatX16 root_estimate(FloatX16 a) { return _mm512_rsqrt14_ps(a.v); }
    static FloatX16 reciprocal_estimate(FloatX16 a) { return _mm512_rcp14_ps(a.v); }

    static Bits bits(FloatX16 a) { return _mm512_castps_si512(a.v); }
    static FloatX16 number(Bits a) { return _mm512_castsi512_ps(a); }
    static Bits minus(Bits a, int32_t b) { return _mm512_sub_epi32(a, _mm512_set1_epi32(b)); }
    static Bits minus(Bits a, Bits b, int) { return _mm512_sub_epi32(a, b); }
    static Bits plus(Bits a, Bits b) { return _mm512_add_epi32(a, b); }
    template <int COUNT>
    static Bits up(Bits a) { return _mm512_slli_epi32(a, COUNT); }
    template <int COUNT>
    static Bits down(Bits a) { return _mm512_srai_epi32(a, COUNT); }
    // Entries of a table of eight, by the last three bits.
    static constexpr bool TABLES = true;
    template <class Table>
    static FloatX16 lookup(const Table &table, Bits at) {
        return number(_mm512_permutexvar_epi32(at, _mm512_broadcast_i32x8(_mm256_loadu_si256((const __m256i *)table))));
    }
    static FloatX16 real(Bits a) { return _mm512_cvtepi32_ps(a); }

    void add_to(double *sums) const {
        const __m512d low = _mm512_cvtps_pd(_mm512_castps512_ps256(v));
        const __m512d high = _mm512_cvtps_pd(_mm512_extractf32x8_ps(v, 1));
        _mm512_storeu_pd(sums, _mm512_add_pd(_mm512_loadu_pd(sums), low));
        _mm512_storeu_pd(sums + 8, _mm512_add_pd(_mm512_loadu_pd(sums + 8), high));
    }

    // The bits of positive numbers are ordered as the numbers are, and those of NaNs are above them all.
    struct Range {
        __m512i least = _mm512_set1_epi32(INT32_MAX), most = _mm512_set1_epi32(INT32_MIN);
        float low, high;
        Range(float from, float to) : low(from), high(to) {}
        void see(FloatX16 a) {
            least = _mm512_min_epi32(least, bits(a));
            most = _mm512_max_epi32(most, bits(a));
        }
        void join(const Range &other) {
            least = _mm512_min_epi32(least, other.least);
            most = _mm512_max_epi32(most, other.most);
        }
        bool within() const {
            return !(_mm512_cmplt_epi32_mask(least, _mm512_set1_epi32(int32_t(bits_of(low)))) |
                     _mm512_cmpgt_epi32_mask(most, _mm512_set1_epi32(int32_t(bits_of(high)))));
        }
    };
};

struct DoubleX8 {
    using Wide = double;
    static constexpr int N = 8;
    __m512d v;

    DoubleX8() = default;
    DoubleX8(__m512d a) : v(a) {}
    DoubleX8(double a) : v(_mm512_set1_pd(a)) {}
    static DoubleX8 load(const double *from) { return _mm512_loadu_pd(from); }
    void store(double *to) const { _mm512_storeu_pd(to, v); }
    friend DoubleX8 operator+(DoubleX8 a, DoubleX8 b) { return _mm512_add_pd(a.v, b.v); }
    friend DoubleX8 operator-(DoubleX8 a, DoubleX8 b) { return _mm512_sub_pd(a.v, b.v); }
    friend DoubleX8 operator*(DoubleX8 a, DoubleX8 b) { return _mm512_mul_pd(a.v, b.v); }
    static DoubleX8 fma(DoubleX8 a, DoubleX8 b, DoubleX8 c) { return _mm512_fmadd_pd(a.v, b.v, c.v); }
    static DoubleX8 fnma(DoubleX8 a, DoubleX8 b, DoubleX8 c) { return _mm512_fnmadd_pd(a.v, b.v, c.v); }
    static DoubleX8 max(DoubleX8 a, DoubleX8 b) { return _mm512_max_pd(a.v, b.v); }
    static DoubleX8 abs(DoubleX8 a) { return _mm512_abs_pd(a.v); }
    static DoubleX8 sqrt(DoubleX8 a) { return _mm512_sqrt_pd(a.v); }
    static DoubleX8 reciprocal(DoubleX8 a) { return _mm512_div_pd(_mm512_set1_pd(1.0), a.v); }
    static constexpr bool ESTIMATES = false;
    void add_to(double *sums) const { _mm512_storeu_pd(sums, _mm512_add_pd(_mm512_loadu_pd(sums), v)); }

    struct Range {
        __mmask8 inside = 0xff;
        double low, high;
        Range(double from, double to) : low(from), high(to) {}
        void see(DoubleX8 a) {
            inside = _mm512_mask_cmp_pd_mask(inside, a.v, _mm512_set1_pd(low), _CMP_GE_OQ);
            inside = _mm512_mask_cmp_pd_mask(inside, a.v, _mm512_set1_pd(high), _CMP_LE_OQ);
        }
        void join(const Range &other) { inside = inside & other.inside; }
        bool within() const { return inside == 0xff; }
    };
};

}  // namespace
}  // namespace localnorm
