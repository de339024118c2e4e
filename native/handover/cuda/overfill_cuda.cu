// liboverfill-cuda: the fused translate kernel, and the C interface around it. Compiled by nvcc, with no part of ggml;
// the device pointers are ggml's, which works because both use the device's primary context.
#include "kernel/translate_kernel.h"
#include "overfill_cuda.h"

#include <cstdio>
#include <cuda_runtime.h>
#include <new>

using namespace overfill;

namespace {

// Without a map a group needs few registers and the work is all memory: many groups a multiprocessor. With maps the
// results and weights are in registers.
template <bool with_maps>
__global__ void __launch_bounds__(kernel_lanes, with_maps ? 3 : 4)
    translate_kernel(const kernel_step * steps, uint32_t n_steps, const kernel_move * moves, const float * angles,
                     const float * weights) {
    __shared__ uint32_t tile[kernel_tile_words];
    translate_group<with_maps>(steps, n_steps, moves, angles, weights, tile, blockIdx.x, threadIdx.x);
}

int report(char * message, const char * what, cudaError_t error) {
    std::snprintf(message, overfill_cuda_message_size, "%s: %s", what, cudaGetErrorString(error));
    // An error that is not sticky must not be found again by the next call.
    (void) cudaGetLastError();
    switch (error) {
    case cudaErrorMemoryAllocation: return overfill_cuda_out_of_memory;
    case cudaErrorNoDevice:
    case cudaErrorInsufficientDriver:
    case cudaErrorNoKernelImageForDevice:
    case cudaErrorUnsupportedPtxVersion: return overfill_cuda_unavailable;
    default: return overfill_cuda_failed;
    }
}

#define TRY(call)                                                                                                      \
    do {                                                                                                               \
        const cudaError_t try_error = (call);                                                                          \
        if (try_error != cudaSuccess) return report(message, #call, try_error);                                        \
    } while (0)

// Makes a device current and gives the thread's own back.
class current_device {
  public:
    ~current_device() {
        if (before_ >= 0) (void) cudaSetDevice(before_);
    }
    cudaError_t enter(int device) {
        int before = -1;
        cudaError_t error = cudaGetDevice(&before);
        if (error == cudaSuccess) error = cudaSetDevice(device);
        if (error == cudaSuccess) before_ = before;
        return error;
    }

  private:
    int before_ = -1;
};

struct device_buffer {
    void * data = nullptr;
    size_t n_bytes = 0;

    // Grows by half as much again, so that a longer conversation allocates seldom.
    cudaError_t reserve(size_t wanted) {
        if (wanted <= n_bytes) return cudaSuccess;
        const cudaError_t error = clear();
        if (error != cudaSuccess) return error;
        const size_t n = wanted + wanted / 2;
        const cudaError_t allocated = cudaMalloc(&data, n);
        if (allocated == cudaSuccess)
            n_bytes = n;
        else
            data = nullptr;
        return allocated;
    }
    cudaError_t clear() {
        const cudaError_t error = data ? cudaFree(data) : cudaSuccess;
        data = nullptr;
        n_bytes = 0;
        return error;
    }
};

}  // namespace

struct overfill_cuda_context {
    int device = 0;
    cudaStream_t stream = nullptr;
    device_buffer weights, steps, moves, angles;
    uint64_t angles_version = 0;
    bool has_maps = false;
};

namespace {

int fill(overfill_cuda_context * c, device_buffer & buffer, const void * data, size_t n_bytes, char * message) {
    TRY(buffer.reserve(n_bytes));
    if (n_bytes > 0) TRY(cudaMemcpyAsync(buffer.data, data, n_bytes, cudaMemcpyHostToDevice, c->stream));
    return overfill_cuda_ok;
}

int upload(overfill_cuda_context * c, const overfill_cuda_job * job, char * message) {
    int status = fill(c, c->steps, job->steps, job->n_steps * sizeof(kernel_step), message);
    if (status == overfill_cuda_ok) status = fill(c, c->moves, job->moves, job->n_moves * sizeof(kernel_move), message);
    if (status == overfill_cuda_ok && job->angles_version != c->angles_version) {
        // Should the copy fail, what the buffer holds is of no version.
        c->angles_version = 0;
        status = fill(c, c->angles, job->angles, job->n_angles * sizeof(float), message);
        if (status == overfill_cuda_ok) c->angles_version = job->angles_version;
    }
    return status;
}

int launch(overfill_cuda_context * c, const overfill_cuda_job * job, char * message) {
    const kernel_step * steps = static_cast<const kernel_step *>(c->steps.data);
    const kernel_move * moves = static_cast<const kernel_move *>(c->moves.data);
    const float * angles = static_cast<const float *>(c->angles.data);
    const float * weights = static_cast<const float *>(c->weights.data);
    if (c->has_maps)
        translate_kernel<true>
            <<<job->n_groups, kernel_lanes, 0, c->stream>>>(steps, job->n_steps, moves, angles, weights);
    else
        translate_kernel<false>
            <<<job->n_groups, kernel_lanes, 0, c->stream>>>(steps, job->n_steps, moves, angles, weights);
    TRY(cudaGetLastError());
    return overfill_cuda_ok;
}

// After a failed call nothing of the job may be under way: the host's tables and the caches are the caller's again.
int settle(overfill_cuda_context * c, int status, char * message) {
    if (status == overfill_cuda_ok) {
        TRY(cudaStreamSynchronize(c->stream));
        return status;
    }
    (void) cudaStreamSynchronize(c->stream);
    (void) cudaGetLastError();
    return status;
}

int find_device(const void * const * pointers, size_t n_pointers, int * device, char * message) {
    *device = -1;
    for (size_t i = 0; i < n_pointers; i++) {
        cudaPointerAttributes attributes;
        TRY(cudaPointerGetAttributes(&attributes, pointers[i]));
        if (attributes.type != cudaMemoryTypeDevice && attributes.type != cudaMemoryTypeManaged) {
            std::snprintf(message, overfill_cuda_message_size, "a tensor lies outside the memory of a CUDA device");
            return overfill_cuda_unavailable;
        }
        if (*device >= 0 && *device != attributes.device) {
            std::snprintf(message, overfill_cuda_message_size, "the tensors lie on more than one CUDA device");
            return overfill_cuda_unavailable;
        }
        *device = attributes.device;
    }
    if (*device < 0) *device = 0;
    return overfill_cuda_ok;
}

int set_up(overfill_cuda_context * c, const float * weights, size_t n_weights, char * message) {
    TRY(cudaStreamCreateWithFlags(&c->stream, cudaStreamNonBlocking));
    // Fails where the library has no code for the device.
    cudaFuncAttributes attributes;
    TRY(cudaFuncGetAttributes(&attributes, translate_kernel<false>));
    if (n_weights == 0) return overfill_cuda_ok;
    c->has_maps = true;
    const size_t n_bytes = n_weights * sizeof(float);
    TRY(cudaMalloc(&c->weights.data, n_bytes));
    c->weights.n_bytes = n_bytes;
    TRY(cudaMemcpyAsync(c->weights.data, weights, n_bytes, cudaMemcpyHostToDevice, c->stream));
    TRY(cudaStreamSynchronize(c->stream));
    return overfill_cuda_ok;
}

struct event_pair {
    cudaEvent_t start = nullptr, end = nullptr;
    ~event_pair() {
        if (start) (void) cudaEventDestroy(start);
        if (end) (void) cudaEventDestroy(end);
    }
};

}  // namespace

extern "C" {

uint32_t overfill_cuda_abi(void) { return overfill_cuda_version; }

int overfill_cuda_create(const void * const * pointers, size_t n_pointers, const float * weights, size_t n_weights,
                         overfill_cuda_context ** context, char * message) {
    *context = nullptr;
    int device = 0;
    const int found = find_device(pointers, n_pointers, &device, message);
    if (found != overfill_cuda_ok) return found;
    current_device current;
    TRY(current.enter(device));
    auto * c = new (std::nothrow) overfill_cuda_context;
    if (!c) {
        std::snprintf(message, overfill_cuda_message_size, "out of memory");
        return overfill_cuda_out_of_memory;
    }
    c->device = device;
    const int status = set_up(c, weights, n_weights, message);
    if (status == overfill_cuda_ok)
        *context = c;
    else
        overfill_cuda_destroy(c);
    return status;
}

int overfill_cuda_run(overfill_cuda_context * c, const overfill_cuda_job * job, char * message) {
    current_device current;
    TRY(current.enter(c->device));
    int status = upload(c, job, message);
    if (status == overfill_cuda_ok) status = launch(c, job, message);
    return settle(c, status, message);
}

// Nothing to tell anybody here: what cannot be freed is gone with the device.
void overfill_cuda_destroy(overfill_cuda_context * c) {
    if (!c) return;
    current_device current;
    if (current.enter(c->device) == cudaSuccess) {
        for (device_buffer * buffer : { &c->weights, &c->steps, &c->moves, &c->angles }) (void) buffer->clear();
        if (c->stream) (void) cudaStreamDestroy(c->stream);
    }
    (void) cudaGetLastError();
    delete c;
}

int overfill_cuda_allocate(size_t n_bytes, void ** pointer, char * message) {
    TRY(cudaMalloc(pointer, n_bytes));
    return overfill_cuda_ok;
}

void overfill_cuda_release(void * pointer) { (void) cudaFree(pointer); }

int overfill_cuda_copy(void * to, const void * from, size_t n_bytes, char * message) {
    TRY(cudaMemcpy(to, from, n_bytes, cudaMemcpyDefault));
    return overfill_cuda_ok;
}

int overfill_cuda_time_run(overfill_cuda_context * c, const overfill_cuda_job * job, float * milliseconds,
                           char * message) {
    current_device current;
    TRY(current.enter(c->device));
    event_pair events;
    TRY(cudaEventCreate(&events.start));
    TRY(cudaEventCreate(&events.end));
    int status = settle(c, upload(c, job, message), message);
    if (status != overfill_cuda_ok) return status;
    TRY(cudaEventRecord(events.start, c->stream));
    status = launch(c, job, message);
    if (status != overfill_cuda_ok) return status;
    TRY(cudaEventRecord(events.end, c->stream));
    TRY(cudaStreamSynchronize(c->stream));
    TRY(cudaEventElapsedTime(milliseconds, events.start, events.end));
    return overfill_cuda_ok;
}

int overfill_cuda_time_copy(void * to, const void * from, size_t n_bytes, float * milliseconds, char * message) {
    event_pair events;
    TRY(cudaEventCreate(&events.start));
    TRY(cudaEventCreate(&events.end));
    TRY(cudaEventRecord(events.start));
    TRY(cudaMemcpyAsync(to, from, n_bytes, cudaMemcpyDeviceToDevice));
    TRY(cudaEventRecord(events.end));
    TRY(cudaEventSynchronize(events.end));
    TRY(cudaEventElapsedTime(milliseconds, events.start, events.end));
    return overfill_cuda_ok;
}

int overfill_cuda_device_name(char * name, size_t n_bytes, char * message) {
    cudaDeviceProp properties;
    TRY(cudaGetDeviceProperties(&properties, 0));
    std::snprintf(name, n_bytes, "%s, sm_%d%d, %d multiprocessors", properties.name, properties.major, properties.minor,
                  properties.multiProcessorCount);
    return overfill_cuda_ok;
}
}
