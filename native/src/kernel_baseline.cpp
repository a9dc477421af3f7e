// The kernel for every processor.
#include "isa.hpp"
#include "simd/scalar.hpp"
#include "kernel.hpp"

namespace localnorm {

int run_baseline(const localnorm_call &call, const Plan &plan, Next &next) {
    return run_dtype<Scalar<float>, Scalar<double>>(call, plan, [&] { return next(); });
}

}  // namespace localnorm
