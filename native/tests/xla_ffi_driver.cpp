// The handlers under a runtime of our own, for the sanitizers: a pool whose tasks start late, and errors.
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "localnorm.h"
#include "xla_ffi_abi.h"

using namespace localnorm::xla;

extern "C" {
Error *localnorm_xla_forward(CallFrame *frame);
Error *localnorm_xla_backward(CallFrame *frame);
}

namespace localnorm::xla {
struct Error {
    std::string message;
};
}  // namespace localnorm::xla

namespace {

#define CHECK(condition) \
    if (!(condition)) std::printf("%s:%d: %s\n", __FILE__, __LINE__, #condition), std::exit(1)

class Pool {
  public:
    explicit Pool(int count) {
        for (int i = 0; i < count; i++) threads.emplace_back([this] { run(); });
    }
    ~Pool() {
        {
            std::lock_guard<std::mutex> lock(mutex);
            ending = true;
        }
        wake.notify_all();
        for (std::thread &thread : threads) thread.join();
    }
    void add(void (*task)(void *), void *data) {
        {
            std::lock_guard<std::mutex> lock(mutex);
            tasks.emplace_back(task, data);
        }
        wake.notify_one();
    }
    int64_t size() const { return static_cast<int64_t>(threads.size()); }

  private:
    void run() {
        for (;;) {
            std::unique_lock<std::mutex> lock(mutex);
            wake.wait(lock, [this] { return ending || !tasks.empty(); });
            if (tasks.empty()) return;
            const auto [task, data] = tasks.front();
            tasks.pop_front();
            lock.unlock();
            if (++started % 3 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(2));
            task(data);
        }
    }
    std::mutex mutex;
    std::condition_variable wake;
    std::deque<std::pair<void (*)(void *), void *>> tasks;
    std::vector<std::thread> threads;
    std::atomic<int> started{0};
    bool ending = false;
};

Pool *pool = nullptr;  // null: the runtime has none
int64_t accepted = 0;  // tasks that it takes

Error *create(ErrorCreateArgs *args) { return new Error{args->message}; }
void destroy(ErrorDestroyArgs *args) { delete args->error; }
Error *schedule(ScheduleArgs *args) {
    if (accepted-- <= 0) return new Error{"full"};
    pool->add(args->task, args->data);
    return nullptr;
}
Error *count(NumThreadsArgs *args) {
    if (!pool) return new Error{"no pool"};
    *args->num_threads = pool->size();
    return nullptr;
}

Api api_of(int minor) {
    Api api{};
    api.struct_size = sizeof api;
    api.api_version = {sizeof(ApiVersion), nullptr, MAJOR, minor};
    api.error_create = create, api.error_destroy = destroy;
    api.thread_pool_schedule = schedule, api.thread_pool_num_threads = count;
    return api;
}

using Handler = Error *(CallFrame *);

int reported(Handler *handler, const Api *api) {
    Metadata metadata{sizeof metadata, {}, 7};
    MetadataExtension extension{{sizeof extension, METADATA, nullptr}, &metadata};
    CallFrame frame{};
    frame.extension_start = &extension.extension_base;
    frame.api = api;
    CHECK(!handler(&frame) && metadata.api_version.major_version == MAJOR && metadata.traits == 0);
    return metadata.api_version.minor_version;
}

struct Named {
    const char *name;
    DataType dtype;
    union {
        int64_t whole;
        double real;
    };
};
Named whole(const char *name, int64_t value) {
    Named named{name, S64, {}};
    named.whole = value;
    return named;
}
Named real(const char *name, double value) {
    Named named{name, F64, {}};
    named.real = value;
    return named;
}

std::vector<Named> usual() {
    return {real("alpha", 0.3), real("beta", 0.75), whole("hi", 2), real("k", 1.0), whole("lo", 1),
            whole("window_axes", 1 << 1)};
}

// Returns "" or the error's message.
std::string call(Handler *handler, std::vector<std::vector<float> *> inputs, std::vector<float> &out,
                 std::vector<int64_t> dims, std::vector<Named> named = usual(), DataType dtype = F32) {
    const Api api = api_of(3);
    std::vector<Buffer> buffers;
    for (std::vector<float> *input : inputs)
        buffers.push_back({sizeof(Buffer), nullptr, F32, input->data(), int64_t(dims.size()), dims.data()});
    Buffer result{sizeof(Buffer), nullptr, dtype, out.data(), int64_t(dims.size()), dims.data()};
    std::vector<void *> args, attrs;
    for (Buffer &buffer : buffers) args.push_back(&buffer);
    std::vector<ArgType> arg_types(args.size(), BUFFER_ARG);
    std::vector<Scalar> scalars;
    std::vector<ByteSpan> spans;
    for (Named &one : named) {
        scalars.push_back({one.dtype, &one.whole});
        spans.push_back({one.name, std::strlen(one.name)});
    }
    std::vector<ByteSpan *> names;
    for (size_t i = 0; i < named.size(); i++) attrs.push_back(&scalars[i]), names.push_back(&spans[i]);
    std::vector<AttrType> attr_types(named.size(), SCALAR);
    void *rets[] = {&result};
    RetType ret_types[] = {BUFFER_RET};

    CallFrame frame{};
    frame.struct_size = sizeof frame;
    frame.api = &api;
    frame.stage = EXECUTE;
    frame.args = {sizeof(Args), nullptr, int64_t(args.size()), arg_types.data(), args.data()};
    frame.rets = {sizeof(Rets), nullptr, 1, ret_types, rets};
    frame.attrs = {sizeof(Attrs), nullptr, int64_t(named.size()), attr_types.data(), names.data(), attrs.data()};
    Error *error = handler(&frame);
    const std::string message = error ? error->message : "";
    delete error;
    return message;
}

}  // namespace

int main() {
    for (Handler *handler : {localnorm_xla_forward, localnorm_xla_backward}) {
        CHECK(reported(handler, nullptr) == OLDEST_MINOR);
        for (int minor = 1; minor < 9; minor++) {
            const Api api = api_of(minor);
            CHECK(reported(handler, &api) == (minor < NEWEST_MINOR ? minor : NEWEST_MINOR));
        }
    }

    const std::vector<int64_t> dims{6, 24, 3000};
    std::vector<float> x(6 * 24 * 3000), grad(x.size()), y(x.size()), grad_x(x.size());
    for (size_t i = 0; i < x.size(); i++) x[i] = float(i % 977) / 300 - 1.5f, grad[i] = float(i % 613) / 200 - 1.5f;
    CHECK(call(localnorm_xla_forward, {&x}, y, dims).empty());
    CHECK(call(localnorm_xla_backward, {&x, &grad}, grad_x, dims).empty());
    {
        Pool four(4);
        pool = &four;
        // Any number of tasks may be refused; callers come together; what starts late finds nothing to do.
        for (int round = 0; round < 20; round++) {
            accepted = round % 5 == 4 ? 1 << 20 : round % 5;
            std::vector<float> again(x.size());
            CHECK(call(localnorm_xla_forward, {&x}, again, dims).empty() && again == y);
        }
        accepted = 1 << 30;
        for (int round = 0; round < 20; round++) {
            std::vector<float> again(x.size());
            CHECK(call(localnorm_xla_backward, {&x, &grad}, again, dims).empty() && again == grad_x);
        }
    }
    pool = nullptr;

    std::vector<float> none;
    CHECK(call(localnorm_xla_forward, {&none}, none, {0, 3}).empty());
    CHECK(!call(localnorm_xla_forward, {&x, &grad}, y, dims).empty());
    CHECK(!call(localnorm_xla_backward, {&x}, y, dims).empty());
    CHECK(!call(localnorm_xla_forward, {&x}, y, dims, usual(), BF16).empty());
    std::vector<Named> named = usual();
    named[1] = whole("beta", 1);
    CHECK(!call(localnorm_xla_forward, {&x}, y, dims, named).empty());
    named.erase(named.begin() + 1);
    CHECK(!call(localnorm_xla_forward, {&x}, y, dims, named).empty());
    named = usual();
    named[0].real = -1;
    CHECK(!call(localnorm_xla_forward, {&x}, y, dims, named).empty());
    std::puts("ok");
}
