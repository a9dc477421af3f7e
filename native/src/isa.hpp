// The kernels of the instruction sets, each in a file of its own, compiled for that set alone.
#pragma once

#include "plan.hpp"

namespace localnorm {

// The tiles that a thread is to run, one after the other: a range, or what a counter shared with others gives out.
struct Next {
    int64_t at, last, *shared;
    int64_t operator()();  // -1 where there are no more
};

int run_baseline(const localnorm_call &call, const Plan &plan, Next &next);
int run_avx2(const localnorm_call &call, const Plan &plan, Next &next);
int run_avx512(const localnorm_call &call, const Plan &plan, Next &next);
int run_neon(const localnorm_call &call, const Plan &plan, Next &next);

}  // namespace localnorm
