// The handlers that XLA's foreign function interface calls: a forward and a backward pass over row-major buffers.
//
//     localnorm_xla_forward     x -> y
//     localnorm_xla_backward    x, gradient of y -> gradient of x
//
// Attributes, all scalars: k, alpha, beta (float64); lo, hi, window_axes (int64). Bit b of window_axes is set where
// the window spans the axis b before the last one, so that vmap may put axes in front.
#include <atomic>
#include <chrono>
#include <cstring>
#include <new>
#include <thread>

#if defined(__linux__)
#include <sys/mman.h>
#endif
#if defined(__SSE2__) || defined(_M_X64)
#include <xmmintrin.h>
#endif

#include "localnorm.h"
#include "xla_ffi_abi.h"

namespace localnorm::xla {

namespace {

Error *failed(const CallFrame &frame, ErrorCode code, const char *message) {
    ErrorCreateArgs args{sizeof args, nullptr, message, code};
    return frame.api->error_create(&args);
}

Error *answered(const CallFrame &frame, int64_t status) {
    switch (status) {
        case 0: return nullptr;
        case LOCALNORM_NO_MEMORY: return failed(frame, RESOURCE_EXHAUSTED, "localnorm: no scratch memory");
        case LOCALNORM_BAD_ARGUMENT:
            return failed(frame, INVALID_ARGUMENT, "localnorm: a shape, window or value that the kernel refuses");
        default: return failed(frame, INTERNAL, "localnorm: the handler and the kernel are not of one version");
    }
}

// XLA has its threads replace subnormal numbers by 0, some of them on some processors. Every tile is computed with
// them, so that the result does not depend on the thread.
class WithSubnormals {
  public:
#if defined(__SSE2__) || defined(_M_X64)
    WithSubnormals() : before(_mm_getcsr()) { _mm_setcsr(before & ~0x8040u); }  // flush to zero, denormals are zero
    ~WithSubnormals() { _mm_setcsr(before); }

  private:
    unsigned before;
#elif defined(__aarch64__)
    WithSubnormals() {
        __asm__ __volatile__("mrs %0, fpcr" : "=r"(before));
        __asm__ __volatile__("msr fpcr, %0" ::"r"(before & ~(uint64_t(1) << 24)));
    }
    ~WithSubnormals() { __asm__ __volatile__("msr fpcr, %0" ::"r"(before)); }

  private:
    uint64_t before;
#else
    WithSubnormals() {}
#endif
    WithSubnormals(const WithSubnormals &) = delete;
    WithSubnormals &operator=(const WithSubnormals &) = delete;
};

// Asks for huge pages for an output. XLA takes memory for it from malloc, which for large arrays is always fresh: to
// touch it for the first time then costs more than to compute what is written there.
void prefer_huge_pages([[maybe_unused]] void *data, [[maybe_unused]] int64_t bytes) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    constexpr uintptr_t HUGE = uintptr_t(1) << 21;
    const uintptr_t first = (reinterpret_cast<uintptr_t>(data) + HUGE - 1) / HUGE * HUGE;
    const uintptr_t last = (reinterpret_cast<uintptr_t>(data) + bytes) / HUGE * HUGE;
    if (last > first) madvise(reinterpret_cast<void *>(first), last - first, MADV_HUGEPAGE);  // may be refused
#endif
}

// A call that threads share. It outlives the handler: the pool may start a task when all tiles are done, and the
// handler does not wait for tasks that have not started, because all threads of the pool may be in handlers.
struct Shared {
    const localnorm_call *call;  // only valid until all tiles are done
    int64_t tiles, chunk;
    std::atomic<int64_t> next{0}, done{0};
    std::atomic<int32_t> status{0};
    std::atomic<int64_t> owners{1};

    Shared(const localnorm_call *call, int64_t tiles, int64_t chunk) : call(call), tiles(tiles), chunk(chunk) {}

    void work() {
        for (;;) {
            const int64_t first = next.fetch_add(chunk, std::memory_order_relaxed);
            if (first >= tiles) return;
            const int64_t last = first + chunk < tiles ? first + chunk : tiles;
            WithSubnormals with_subnormals;
            if (const int32_t wrong = localnorm_run(call, first, last)) status.store(wrong, std::memory_order_relaxed);
            done.fetch_add(last - first, std::memory_order_release);
        }
    }

    void release() {
        if (owners.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
    }
};

void task(void *data) {
    Shared *shared = static_cast<Shared *>(data);
    shared->work();
    shared->release();
}

int64_t threads_of(const CallFrame &frame) {
    int64_t threads = 1;
    NumThreadsArgs args{sizeof args, nullptr, frame.ctx, &threads};
    if (Error *none = frame.api->thread_pool_num_threads(&args)) {
        ErrorDestroyArgs destroy{sizeof destroy, nullptr, none};
        frame.api->error_destroy(&destroy);
        return 1;
    }
    return threads;
}

int64_t run(const CallFrame &frame, const localnorm_call &call) {
    constexpr int64_t CHUNKS = 8;  // for each thread, so that one that starts late costs little
    constexpr int PATIENCE = 100;
    const int64_t tiles = localnorm_tiles(&call);
    const int64_t threads = tiles > 1 ? threads_of(frame) : 1;
    if (tiles <= 0) return tiles;
    if (threads <= 1) {
        WithSubnormals with_subnormals;
        return localnorm_run(&call, 0, tiles);
    }
    const int64_t chunk = tiles / (threads * CHUNKS) > 1 ? tiles / (threads * CHUNKS) : 1;
    Shared *shared = new (std::nothrow) Shared(&call, tiles, chunk);
    if (!shared) return LOCALNORM_NO_MEMORY;
    const int64_t chunks = (tiles + chunk - 1) / chunk, team = threads < chunks ? threads : chunks;
    for (int64_t i = 1; i < team; i++) {
        shared->owners.fetch_add(1, std::memory_order_relaxed);
        ScheduleArgs args{sizeof args, nullptr, frame.ctx, task, shared};
        if (Error *refused = frame.api->thread_pool_schedule(&args)) {
            shared->owners.fetch_sub(1, std::memory_order_relaxed);
            ErrorDestroyArgs destroy{sizeof destroy, nullptr, refused};
            frame.api->error_destroy(&destroy);
            break;
        }
    }
    shared->work();
    // What others have started ends within moments, unless the system has put them off the cores.
    for (int looks = 0; shared->done.load(std::memory_order_acquire) < tiles; looks++) {
        if (looks < PATIENCE) std::this_thread::yield();
        else std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
    const int64_t status = shared->status.load(std::memory_order_relaxed);
    shared->release();
    return status;
}

template <typename T>
bool attribute(const Attrs &attrs, const char *name, DataType dtype, T &value) {
    for (int64_t i = 0; i < attrs.size; i++) {
        const ByteSpan &found = *attrs.names[i];
        if (found.len != std::strlen(name) || std::memcmp(found.ptr, name, found.len)) continue;
        const Scalar &scalar = *static_cast<const Scalar *>(attrs.attrs[i]);
        if (attrs.types[i] != SCALAR || scalar.dtype != dtype) return false;
        std::memcpy(&value, scalar.value, sizeof value);
        return true;
    }
    return false;
}

bool read_dtype(DataType dtype, uint32_t &found, int64_t &item) {
    switch (dtype) {
        case F16: found = LOCALNORM_FLOAT16, item = 2; return true;
        case BF16: found = LOCALNORM_BFLOAT16, item = 2; return true;
        case F32: found = LOCALNORM_FLOAT32, item = 4; return true;
        case F64: found = LOCALNORM_FLOAT64, item = 8; return true;
        default: return false;
    }
}

bool same(const Buffer &one, const Buffer &other) {
    return one.dtype == other.dtype && one.rank == other.rank &&
           (!one.rank || !std::memcmp(one.dims, other.dims, one.rank * sizeof *one.dims));
}

Error *execute(const CallFrame &frame, localnorm_pass pass) {
    const int64_t inputs = pass == LOCALNORM_BACKWARD ? 2 : 1;
    if (frame.stage != EXECUTE || frame.args.size != inputs || frame.rets.size != 1 ||
        frame.rets.types[0] != BUFFER_RET)
        return failed(frame, INVALID_ARGUMENT, "localnorm: the wrong number of operands or results");
    const Buffer *buffers[3];
    for (int64_t i = 0; i < inputs; i++) buffers[i] = static_cast<const Buffer *>(frame.args.args[i]);
    buffers[inputs] = static_cast<const Buffer *>(frame.rets.rets[0]);
    for (int64_t i = 0; i <= inputs; i++)
        if ((i < inputs && frame.args.types[i] != BUFFER_ARG) || !same(*buffers[i], *buffers[0]))
            return failed(frame, INVALID_ARGUMENT, "localnorm: operands and results differ in shape or dtype");

    const Buffer &x = *buffers[0];
    localnorm_call call{};
    int64_t item, axes, strides[LOCALNORM_MAX_RANK];
    double k, alpha, beta;
    if (x.rank > LOCALNORM_MAX_RANK || !read_dtype(x.dtype, call.dtype, item))
        return failed(frame, INVALID_ARGUMENT, "localnorm: a rank or dtype that the kernel does not take");
    const Attrs &attrs = frame.attrs;
    if (!attribute(attrs, "k", F64, k) || !attribute(attrs, "alpha", F64, alpha) ||
        !attribute(attrs, "beta", F64, beta) || !attribute(attrs, "lo", S64, call.lo) ||
        !attribute(attrs, "hi", S64, call.hi) || !attribute(attrs, "window_axes", S64, axes))
        return failed(frame, INVALID_ARGUMENT, "localnorm: an attribute is missing or of another type");

    int64_t stride = item;
    for (int64_t axis = x.rank; axis-- > 0; stride *= x.dims[axis]) {
        strides[axis] = stride;
        if (axes >> (x.rank - 1 - axis) & 1) call.window_axes |= uint64_t(1) << axis;
    }
    call.struct_size = sizeof call;
    call.abi = LOCALNORM_ABI;
    call.pass = pass;
    call.rank = static_cast<uint32_t>(x.rank);
    call.shape = x.dims;
    call.values = 1;
    call.value_axis = -1;
    call.k = &k, call.alpha = &alpha, call.beta = &beta;
    call.x = {x.data, strides};
    call.out = {buffers[inputs]->data, strides};
    if (pass == LOCALNORM_BACKWARD) call.grad = {buffers[1]->data, strides};
    prefer_huge_pages(call.out.data, stride);
    return answered(frame, run(frame, call));
}

// XLA asks for this once, when a handler is registered. The structs are the same in all these versions; so the
// handler is of the version of the XLA that asks, or of the newest one that is known.
Error *describe(const CallFrame &frame, Metadata &metadata) {
    int minor = OLDEST_MINOR;
    if (frame.api && frame.api->api_version.major_version == MAJOR) {
        minor = frame.api->api_version.minor_version;
        if (minor > NEWEST_MINOR) minor = NEWEST_MINOR;
    }
    metadata.api_version = {sizeof(ApiVersion), nullptr, MAJOR, minor};
    metadata.traits = 0;
    return nullptr;
}

Error *handle(const CallFrame &frame, localnorm_pass pass) {
    for (Extension *extension = frame.extension_start; extension; extension = extension->next)
        if (extension->type == METADATA)
            return describe(frame, *reinterpret_cast<MetadataExtension *>(extension)->metadata);
    return execute(frame, pass);
}

}  // namespace

}  // namespace localnorm::xla

extern "C" {

LOCALNORM_API localnorm::xla::Error *localnorm_xla_forward(localnorm::xla::CallFrame *frame) {
    return localnorm::xla::handle(*frame, LOCALNORM_FORWARD);
}

LOCALNORM_API localnorm::xla::Error *localnorm_xla_backward(localnorm::xla::CallFrame *frame) {
    return localnorm::xla::handle(*frame, LOCALNORM_BACKWARD);
}
}
