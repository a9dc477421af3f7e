/* The part of XLA's foreign function interface that the handlers in xla_ffi.cpp use.

   Declared here, not included from jaxlib: a handler that reports a newer API version than the XLA that loads it keeps
   JAX from initializing its CPU backend, and the header reports its own. These declarations fit API 0.1 (jaxlib 0.5.0)
   to 0.4 (jaxlib 0.11.1); tests/jax/test_ffi.py compares every size, offset and number with the header that the
   installed jaxlib carries. Members that are only passed over are void pointers. */
#ifndef LOCALNORM_XLA_FFI_ABI_H
#define LOCALNORM_XLA_FFI_ABI_H

#include <cstddef>
#include <cstdint>

namespace localnorm::xla {

/* The API versions that the declarations fit. */
constexpr int MAJOR = 0, OLDEST_MINOR = 1, NEWEST_MINOR = 4;

enum ExtensionType : int { METADATA = 1 };
enum DataType : int { S64 = 5, F16 = 10, F32 = 11, F64 = 12, BF16 = 16 };
enum ArgType : int { BUFFER_ARG = 1 };
enum RetType : int { BUFFER_RET = 1 };
enum AttrType : int { SCALAR = 3 };
enum Stage : int { EXECUTE = 3 };
enum ErrorCode : int { INVALID_ARGUMENT = 3, RESOURCE_EXHAUSTED = 8, INTERNAL = 13 };

struct Error;
struct Context;

struct Extension {
    size_t struct_size;
    ExtensionType type;
    Extension *next;
};

struct ApiVersion {
    size_t struct_size;
    Extension *extension_start;
    int major_version;
    int minor_version;
};

struct Metadata {
    size_t struct_size;
    ApiVersion api_version;
    uint32_t traits;
};

struct MetadataExtension {
    Extension extension_base;
    Metadata *metadata;
};

struct ErrorCreateArgs {
    size_t struct_size;
    Extension *extension_start;
    const char *message;
    ErrorCode errc;
};

struct ErrorDestroyArgs {
    size_t struct_size;
    Extension *extension_start;
    Error *error;
};

struct ScheduleArgs {
    size_t struct_size;
    Extension *extension_start;
    Context *ctx;
    void (*task)(void *data);
    void *data;
};

struct NumThreadsArgs {
    size_t struct_size;
    Extension *extension_start;
    Context *ctx;
    int64_t *num_threads;
};

struct Api {
    size_t struct_size;
    Extension *extension_start;
    ApiVersion api_version;
    const void *internal_api;
    Error *(*error_create)(ErrorCreateArgs *);
    void *error_get_message;
    void (*error_destroy)(ErrorDestroyArgs *);
    void *unused[8]; /* from XLA_FFI_Handler_Register to XLA_FFI_DeviceMemory_Free */
    Error *(*thread_pool_schedule)(ScheduleArgs *);
    Error *(*thread_pool_num_threads)(NumThreadsArgs *);
};

struct Buffer {
    size_t struct_size;
    Extension *extension_start;
    DataType dtype;
    void *data;
    int64_t rank;
    int64_t *dims;
};

struct ByteSpan {
    const char *ptr;
    size_t len;
};

struct Scalar {
    DataType dtype;
    void *value;
};

struct Args {
    size_t struct_size;
    Extension *extension_start;
    int64_t size;
    ArgType *types;
    void **args;
};

struct Rets {
    size_t struct_size;
    Extension *extension_start;
    int64_t size;
    RetType *types;
    void **rets;
};

struct Attrs {
    size_t struct_size;
    Extension *extension_start;
    int64_t size;
    AttrType *types;
    ByteSpan **names;
    void **attrs;
};

struct CallFrame {
    size_t struct_size;
    Extension *extension_start;
    const Api *api;
    Context *ctx;
    Stage stage;
    Args args;
    Rets rets;
    Attrs attrs;
};

}  // namespace localnorm::xla
#endif
