// The C interface of liboverfill-cuda, which is built with nvcc, apart from the addon, and loaded where it is found.
// Every call returns a status; with one other than `ok` the message says what failed. No call is made from two threads
// at once for one object.
#pragma once

#include "kernel/kernel_tables.h"

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32) && defined(__CUDACC__)
#define OVERFILL_CUDA_API __declspec(dllexport)
#elif defined(_WIN32)
#define OVERFILL_CUDA_API
#else
#define OVERFILL_CUDA_API __attribute__((visibility("default")))
#endif

extern "C" {

// Goes up with every change of the functions below or of the tables.
enum : uint32_t { overfill_cuda_version = 1 };

enum overfill_cuda_status {
    overfill_cuda_ok = 0,
    overfill_cuda_out_of_memory = 1,
    overfill_cuda_unavailable = 2,  // no driver, no device, a pointer that is none of a device
    overfill_cuda_failed = 3,       // anything else, such as a lost device
};

enum : size_t { overfill_cuda_message_size = 256 };

struct overfill_cuda_context;

struct overfill_cuda_job {
    const overfill::kernel_step * steps;
    uint32_t n_steps;
    const overfill::kernel_move * moves;
    uint32_t n_moves;
    const float * angles;  // uploaded where the version is another than the last time
    size_t n_angles;
    uint64_t angles_version;
    uint32_t n_groups;
};

#define OVERFILL_CUDA_FUNCTIONS(X)                                                                                     \
    X(uint32_t, abi, (void) )                                                                                          \
    /* The device is the one that holds `pointers`; all must lie on the same. `weights` may be null with n_weights 0.  \
     */                                                                                                                \
    X(int, create,                                                                                                     \
      (const void * const * pointers, size_t n_pointers, const float * weights, size_t n_weights,                      \
       overfill_cuda_context ** context, char * message))                                                              \
    /* Returns when the kernel has finished. */                                                                        \
    X(int, run, (overfill_cuda_context * context, const overfill_cuda_job * job, char * message))                      \
    X(void, destroy, (overfill_cuda_context * context))                                                                \
    /* Memory on the first device and copies from and to it, for the check and the timing of the kernel without ggml.  \
     */                                                                                                                \
    X(int, allocate, (size_t n_bytes, void ** pointer, char * message))                                                \
    X(void, release, (void * pointer))                                                                                 \
    X(int, copy, (void * to, const void * from, size_t n_bytes, char * message))                                       \
    /* Milliseconds of the device itself for one run of the job and for one copy of n_bytes within the device. */      \
    X(int, time_run,                                                                                                   \
      (overfill_cuda_context * context, const overfill_cuda_job * job, float * milliseconds, char * message))          \
    X(int, time_copy, (void * to, const void * from, size_t n_bytes, float * milliseconds, char * message))            \
    X(int, device_name, (char * name, size_t n_bytes, char * message))

#define OVERFILL_CUDA_DECLARE(result, name, parameters) OVERFILL_CUDA_API result overfill_cuda_##name parameters;
OVERFILL_CUDA_FUNCTIONS(OVERFILL_CUDA_DECLARE)
#undef OVERFILL_CUDA_DECLARE
}
