// The kernel for x86-64 processors with AVX2, FMA and F16C.
#include "isa.hpp"
#include "simd/avx2.hpp"
#include "kernel.hpp"

namespace localnorm {

int run_avx2(const localnorm_call &call, const Plan &plan, Next &next) {
    return run_dtype<Float8, Double4>(call, plan, [&] { return next(); });
}

}  // namespace localnorm
