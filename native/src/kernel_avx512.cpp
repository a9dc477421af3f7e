// The kernel for x86-64 processors with AVX-512 F, BW, DQ and VL.
#include "isa.hpp"
#include "simd/avx512.hpp"
#include "kernel.hpp"

namespace localnorm {

int run_avx512(const localnorm_call &call, const Plan &plan, Next &next) {
    return run_dtype<FloatX16, DoubleX8>(call, plan, [&] { return next(); });
}

}  // namespace localnorm
