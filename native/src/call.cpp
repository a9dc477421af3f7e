// The C interface: what is checked, which kernel runs, and who runs which tile.
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <new>

#include "isa.hpp"
#include "scratch.hpp"

#if defined(LOCALNORM_X86) && defined(_MSC_VER)
#include <intrin.h>
#endif

namespace localnorm {

namespace {

using Run = int (*)(const localnorm_call &, const Plan &, Next &);

struct Isa {
    const char *name;
    Run run;
};

#if defined(LOCALNORM_X86)
// Of both sets the processor and the operating system, which has to save the registers.
#if defined(_MSC_VER)
bool has(int ecx_of_1, int ebx_of_7, unsigned saved) {
    int one[4], seven[4];
    __cpuid(one, 1);
    __cpuidex(seven, 7, 0);
    return (one[2] & ecx_of_1) == ecx_of_1 && (seven[1] & ebx_of_7) == ebx_of_7 && (_xgetbv(0) & saved) == saved;
}
// FMA, OSXSAVE, F16C and AVX2; then AVX-512 F, DQ, BW and VL.
bool has_avx2() { return has(1 << 12 | 1 << 27 | 1 << 29, 1 << 5, 0x6); }
bool has_avx512() { return has_avx2() && has(0, int(1u << 16 | 1u << 17 | 1u << 30 | 1u << 31), 0xe6); }
#else
bool has_avx2() {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
}
bool has_avx512() {
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
}
#endif
#endif

// The best instruction set of this processor, or a lesser one that LOCALNORM_ISA names.
Isa choose() {
    Isa found[3];
    int count = 0;
#if defined(LOCALNORM_X86)
    if (has_avx512()) found[count++] = {"avx512", run_avx512};
    if (has_avx2()) found[count++] = {"avx2", run_avx2};
#elif defined(LOCALNORM_NEON)
    found[count++] = {"neon", run_neon};
#endif
    found[count] = {"baseline", run_baseline};
    const char *asked = std::getenv("LOCALNORM_ISA");
    for (int i = 0; asked && i <= count; i++)
        if (!std::strcmp(asked, found[i].name)) return found[i];
    return found[0];
}

const Isa &isa() {
    static const Isa chosen = choose();
    return chosen;
}

std::atomic<int64_t> &shared(int64_t *number) {
    static_assert(sizeof(std::atomic<int64_t>) == sizeof(int64_t), "a counter in the struct is an atomic one");
    return *reinterpret_cast<std::atomic<int64_t> *>(number);
}

struct Kept {
    void *memory = nullptr;
    std::size_t bytes = 0;
    bool taken = false;
    ~Kept() { std::free(memory); }
};
thread_local Kept kept;

}  // namespace

int64_t Next::operator()() {
    if (shared) at = localnorm::shared(shared).fetch_add(1, std::memory_order_relaxed);
    const int64_t found = at < last ? at : -1;
    if (!shared) at++;
    return found;
}

char *Scratch::get(std::size_t bytes) {
    constexpr std::size_t LINE = 64;
    void *memory = nullptr;
    if (bytes > KEPT) {
        memory = own = std::malloc(bytes + LINE);
    } else {
        if (kept.bytes < bytes) {
            std::free(kept.memory);
            kept.memory = std::malloc(bytes + LINE);
            kept.bytes = kept.memory ? bytes : 0;
        }
        memory = kept.memory;
    }
    if (!memory) return nullptr;
    return reinterpret_cast<char *>((reinterpret_cast<std::uintptr_t>(memory) + LINE - 1) / LINE * LINE);
}

Scratch::~Scratch() { std::free(own); }

namespace {

int run(const localnorm_call &call, Next next) {
    Plan plan;
    if (const int wrong = make_plan(call, plan)) return wrong;
    if (next.last > plan.tiles || next.at < 0) return LOCALNORM_BAD_ARGUMENT;
    if (!plan.tiles || (!next.shared && next.at >= next.last)) return 0;
    if (!call.x.data || !call.out.data || (call.pass == LOCALNORM_BACKWARD && !call.grad.data))
        return LOCALNORM_BAD_ARGUMENT;
    return isa().run(call, plan, next);
}

// Doubles that each tile has of its own.
int64_t sums_of_tile(const Plan &plan) { return plan.values_in_ring ? 3 * plan.ring.extent : 3; }

}  // namespace

}  // namespace localnorm

using namespace localnorm;

uint32_t localnorm_version(void) { return LOCALNORM_ABI; }

const char *localnorm_isa(void) { return isa().name; }

int64_t localnorm_tiles(const localnorm_call *call) {
    Plan plan;
    const int wrong = make_plan(*call, plan);
    return wrong ? wrong : plan.tiles;
}

int32_t localnorm_run(const localnorm_call *call, int64_t first, int64_t last) {
    return run(*call, Next{first, last, nullptr});
}

int32_t localnorm_run_at(const localnorm_call *call, const void *x, void *out, const void *grad) {
    localnorm_call at = *call;
    at.x.data = const_cast<void *>(x);
    at.out.data = out;
    at.grad.data = const_cast<void *>(grad);
    return run(at, Next{0, at.tiles, nullptr});
}

void localnorm_work(void *work) {
    localnorm_call &call = *static_cast<localnorm_call *>(work);
    if (const int wrong = run(call, Next{0, call.tiles, &call.next})) shared(&call.status).store(wrong);
}

int64_t localnorm_sums(const localnorm_call *call) {
    Plan plan;
    const int wrong = make_plan(*call, plan);
    return wrong ? wrong : plan.tiles * sums_of_tile(plan);
}

int32_t localnorm_totals(const localnorm_call *call, double *totals) {
    Plan plan;
    if (const int wrong = make_plan(*call, plan)) return wrong;
    std::memset(totals, 0, call->values * 3 * sizeof(double));
    const int64_t each = sums_of_tile(plan);
    for (int64_t tile = 0; tile < plan.tiles; tile++) {
        double *to = totals + (plan.value_outer < 0 ? 0 : 3 * tile_at(plan, tile).value);
        for (int64_t i = 0; i < each; i++) to[i] += call->sums[tile * each + i];
    }
    return 0;
}
