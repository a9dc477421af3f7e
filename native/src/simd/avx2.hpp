// Vectors of 256 bits: AVX2, FMA and F16C.
#pragma once

#include <immintrin.h>

#include "scalar.hpp"

namespace localnorm {
namespace {

struct Float8 {
    using Wide = float;
    using Bits = __m256i;
    static constexpr int N = 8;
    __m256 v;

    Float8() = default;
    Float8(__m256 a) : v(a) {}
    Float8(float a) : v(_mm256_set1_ps(a)) {}
    static Float8 load(const float *from) { return _mm256_loadu_ps(from); }
    static Float8 load(const Float16 *from) { return _mm256_cvtph_ps(halves(from)); }
    static Float8 load(const BFloat16 *from) {
        return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves(from)), 16));
    }
    static __m128i halves(const void *from) { return _mm_loadu_si128(static_cast<const __m128i *>(from)); }
    void store(float *to) const { _mm256_storeu_ps(to, v); }
    void store(Float16 *to) const {
        _mm_storeu_si128(reinterpret_cast<__m128i *>(to), _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
    }
    // Of a NaN, which goes to slower arithmetic in the end, this need not make one.
    void store(BFloat16 *to) const {
        const __m256i bits = _mm256_castps_si256(v);
        const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
        const __m256i nearest = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd);
        const __m256i words = _mm256_srli_epi32(nearest, 16);
        const __m128i packed = _mm_packus_epi32(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
        _mm_storeu_si128(reinterpret_cast<__m128i *>(to), packed);
    }
    friend Float8 operator+(Float8 a, Float8 b) { return _mm256_add_ps(a.v, b.v); }
    friend Float8 operator-(Float8 a, Float8 b) { return _mm256_sub_ps(a.v, b.v); }
    friend Float8 operator*(Float8 a, Float8 b) { return _mm256_mul_ps(a.v, b.v); }
    static Float8 fma(Float8 a, Float8 b, Float8 c) { return _mm256_fmadd_ps(a.v, b.v, c.v); }
    static Float8 fnma(Float8 a, Float8 b, Float8 c) { return _mm256_fnmadd_ps(a.v, b.v, c.v); }
    static Float8 max(Float8 a, Float8 b) { return _mm256_max_ps(a.v, b.v); }
    static Float8 abs(Float8 a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a.v); }
    // To 12 bits.
    static constexpr bool ESTIMATES = true;
    static Float8 root_estimate(Float8 a) { return _mm256_rsqrt_ps(a.v); }
    static Float8 reciprocal_estimate(Float8 a) { return _mm256_rcp_ps(a.v); }

    static Bits bits(Float8 a) { return _mm256_castps_si256(a.v); }
    static Float8 number(Bits a) { return _mm256_castsi256_ps(a); }
    static Bits minus(Bits a, int32_t b) { return _mm256_sub_epi32(a, _mm256_set1_epi32(b)); }
    static Bits minus(Bits a, Bits b, int) { return _mm256_sub_epi32(a, b); }
    static Bits plus(Bits a, Bits b) { return _mm256_add_epi32(a, b); }
    template <int COUNT>
    static Bits up(Bits a) { return _mm256_slli_epi32(a, COUNT); }
    template <int COUNT>
    static Bits down(Bits a) { return _mm256_srai_epi32(a, COUNT); }
    // Entries of a table of eight, by the last three bits.
    static constexpr bool TABLES = true;
    template <class Table>
    static Float8 lookup(const Table &table, Bits at) {
        return number(_mm256_permutevar8x32_epi32(_mm256_loadu_si256((const __m256i *)table), at));
    }
    static Float8 real(Bits a) { return _mm256_cvtepi32_ps(a); }

    void add_to(double *sums) const {
        const __m256d low = _mm256_cvtps_pd(_mm256_castps256_ps128(v)), high = _mm256_cvtps_pd(_mm256_extractf128_ps(v, 1));
        _mm256_storeu_pd(sums, _mm256_add_pd(_mm256_loadu_pd(sums), low));
        _mm256_storeu_pd(sums + 4, _mm256_add_pd(_mm256_loadu_pd(sums + 4), high));
    }

    // The bits of positive numbers are in the order of the numbers, and those of NaNs beyond them all.
    struct Range {
        __m256i least = _mm256_set1_epi32(INT32_MAX), most = _mm256_set1_epi32(INT32_MIN);
        float low, high;
        Range(float from, float to) : low(from), high(to) {}
        void see(Float8 a) {
            least = _mm256_min_epi32(least, bits(a));
            most = _mm256_max_epi32(most, bits(a));
        }
        void join(const Range &other) {
            least = _mm256_min_epi32(least, other.least);
            most = _mm256_max_epi32(most, other.most);
        }
        bool within() const {
            const __m256i small = _mm256_cmpgt_epi32(_mm256_set1_epi32(int32_t(bits_of(low))), least);
            const __m256i large = _mm256_cmpgt_epi32(most, _mm256_set1_epi32(int32_t(bits_of(high))));
            return _mm256_testz_si256(_mm256_or_si256(small, large), _mm256_set1_epi32(-1));
        }
    };
};

struct Double4 {
    using Wide = double;
    static constexpr int N = 4;
    __m256d v;

    Double4() = default;
    Double4(__m256d a) : v(a) {}
    Double4(double a) : v(_mm256_set1_pd(a)) {}
    static Double4 load(const double *from) { return _mm256_loadu_pd(from); }
    void store(double *to) const { _mm256_storeu_pd(to, v); }
    friend Double4 operator+(Double4 a, Double4 b) { return _mm256_add_pd(a.v, b.v); }
    friend Double4 operator-(Double4 a, Double4 b) { return _mm256_sub_pd(a.v, b.v); }
    friend Double4 operator*(Double4 a, Double4 b) { return _mm256_mul_pd(a.v, b.v); }
    static Double4 fma(Double4 a, Double4 b, Double4 c) { return _mm256_fmadd_pd(a.v, b.v, c.v); }
    static Double4 fnma(Double4 a, Double4 b, Double4 c) { return _mm256_fnmadd_pd(a.v, b.v, c.v); }
    static Double4 max(Double4 a, Double4 b) { return _mm256_max_pd(a.v, b.v); }
    static Double4 abs(Double4 a) { return _mm256_andnot_pd(_mm256_set1_pd(-0.0), a.v); }
    static Double4 sqrt(Double4 a) { return _mm256_sqrt_pd(a.v); }
    static Double4 reciprocal(Double4 a) { return _mm256_div_pd(_mm256_set1_pd(1.0), a.v); }
    static constexpr bool ESTIMATES = false;
    void add_to(double *sums) const { _mm256_storeu_pd(sums, _mm256_add_pd(_mm256_loadu_pd(sums), v)); }

    struct Range {
        __m256d inside = _mm256_castsi256_pd(_mm256_set1_epi32(-1));
        double low, high;
        Range(double from, double to) : low(from), high(to) {}
        void see(Double4 a) {
            inside = _mm256_and_pd(inside, _mm256_cmp_pd(a.v, _mm256_set1_pd(low), _CMP_GE_OQ));
            inside = _mm256_and_pd(inside, _mm256_cmp_pd(a.v, _mm256_set1_pd(high), _CMP_LE_OQ));
        }
        void join(const Range &other) { inside = _mm256_and_pd(inside, other.inside); }
        bool within() const { return _mm256_movemask_pd(inside) == 15; }
    };
};

}  // namespace
}  // namespace localnorm
