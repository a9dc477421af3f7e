/* The C interface of the CPU kernel of localnorm: plain C, no Python, no framework, no threads of its own.

       y_c = x_c * s_c^-beta        s_c = k + alpha * sum_{j in W(c)} x_j^2        W(c) = [c - lo, c + hi]

   A caller fills a `localnorm_call`, asks `localnorm_tiles` into how many independent tiles it falls, and has any
   number of threads run disjoint ranges of them. What a tile computes depends on the call alone, so results and
   sums are the same to the last digit for every number of threads and every order. */
#ifndef LOCALNORM_H
#define LOCALNORM_H

#include <stdint.h>

#if defined(_WIN32)
#define LOCALNORM_API __declspec(dllexport)
#else
#define LOCALNORM_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Raised with every change that a caller built against another header would not survive. */
#define LOCALNORM_ABI 1
#define LOCALNORM_MAX_RANK 64

enum localnorm_pass { LOCALNORM_FORWARD = 0, LOCALNORM_BACKWARD = 1 };

enum localnorm_dtype { LOCALNORM_FLOAT16 = 0, LOCALNORM_BFLOAT16 = 1, LOCALNORM_FLOAT32 = 2, LOCALNORM_FLOAT64 = 3 };

/* What functions return where they can't do what they are asked; 0 or more is success. */
enum localnorm_status {
    LOCALNORM_BAD_SIZE = -1,     /* struct_size is not that of this library */
    LOCALNORM_BAD_ABI = -2,      /* abi is not that of this library */
    LOCALNORM_BAD_FLAGS = -3,    /* a flag or a reserved field is set that this library does not know */
    LOCALNORM_BAD_ARGUMENT = -4, /* a pass, dtype, rank, extent, window, axis, count of values or pointer */
    LOCALNORM_NO_MEMORY = -5     /* scratch memory could not be had */
};

typedef struct localnorm_array {
    void *data;             /* address of element 0; read only for x and grad; any alignment */
    const int64_t *strides; /* bytes from one index to the next along each axis: any, negative and 0 included */
} localnorm_array;

/* Set all of it to zero first. Pointers need to live until the last tile is done. */
typedef struct localnorm_call {
    uint32_t struct_size; /* sizeof(localnorm_call) */
    uint32_t abi;         /* LOCALNORM_ABI */
    uint32_t pass;        /* localnorm_pass */
    uint32_t dtype;       /* localnorm_dtype: of x, out and grad */
    uint32_t rank;        /* at most LOCALNORM_MAX_RANK */
    uint32_t flags;       /* 0; room for "read x through a ReLU", "write out through a pool" */
    const int64_t *shape; /* `rank` extents, the same for x, out and grad; an extent may be 0 */
    uint64_t window_axes; /* bit a is set where the window spans axis a: one axis, or a box over several */
    int64_t lo, hi;       /* reach of the window along each of these axes, at least 0; cut at the borders */

    /* k, alpha and beta: one of each (value_axis -1), or one for each index along value_axis. `values` says how
       many: 1, or the extent of value_axis. Any finite beta; k and alpha finite and at least 0. */
    int64_t values;
    int64_t value_axis;
    const double *k, *alpha, *beta;

    localnorm_array x;
    localnorm_array out;  /* forward: y; backward: the gradient for x. Forward: may be x itself, same strides.
                             Otherwise it overlaps neither x nor grad, and in no case itself. */
    localnorm_array grad; /* backward: the gradient of y */
    double *sums;         /* backward: NULL, or room for `localnorm_sums` numbers: what k, alpha and beta get */

    /* For localnorm_work alone: what localnorm_tiles returned, a shared counter that begins at 0, and what came of
       it: 0, or a negative localnorm_status. */
    int64_t tiles;
    int64_t next;
    int64_t status;

    uint64_t reserved[8]; /* 0 */
} localnorm_call;

/* LOCALNORM_ABI of the library. */
LOCALNORM_API uint32_t localnorm_version(void);

/* The instruction set in use: "baseline", "avx2", "avx512" or "neon". The best that the processor has, or the one that the
   environment variable LOCALNORM_ISA names if the processor has it; decided once, at the first call. */
LOCALNORM_API const char *localnorm_isa(void);

/* Checks the call; returns the number of its tiles (0 where there are no elements) or a negative status. Addresses
   of elements are not looked at, so it may be asked once for many calls that differ in these only, except that
   whether out.data equals x.data must not change. */
LOCALNORM_API int64_t localnorm_tiles(const localnorm_call *call);

/* Runs tiles first to last - 1, on this thread; returns 0 or a negative status. Any number of threads may run
   disjoint ranges of one call at once. */
LOCALNORM_API int32_t localnorm_run(const localnorm_call *call, int64_t first, int64_t last);

/* Runs all tiles on this thread, at these addresses instead of those of the call, which is only read: any number of
   threads may share it. grad is NULL for the forward pass. Returns 0 or a negative status. */
LOCALNORM_API int32_t localnorm_run_at(const localnorm_call *call, const void *x, void *out, const void *grad);

/* Takes tiles by call->next until none is left: the function to hand to a team of threads, each of which calls it
   with the same localnorm_call. Writes to call->next and, on failure, call->status. */
LOCALNORM_API void localnorm_work(void *call);

/* The number of doubles that call->sums needs to point to, or a negative status. */
LOCALNORM_API int64_t localnorm_sums(const localnorm_call *call);

/* After all tiles: writes what k, alpha and beta get, `values` rows of three, added up in the order of the tiles. */
LOCALNORM_API int32_t localnorm_totals(const localnorm_call *call, double *totals);

#ifdef __cplusplus
}
#endif
#endif
