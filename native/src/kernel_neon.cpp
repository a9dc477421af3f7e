// The kernel for 64-bit ARM processors, all of which have NEON.
#include "isa.hpp"
#include "simd/neon.hpp"
#include "kernel.hpp"

namespace localnorm {

int run_neon(const localnorm_call &call, const Plan &plan, Next &next) {
    return run_dtype<Float4, Double2>(call, plan, [&] { return next(); });
}

}  // namespace localnorm
