// The ggml back end that training runs on, and memory on it. What a back end cannot do is found before it runs: ggml
// ends the process for an operation that it does not have.
#pragma once

#include <ggml-backend.h>
#include <ggml-cpp.h>

#include <atomic>
#include <cstdint>
#include <memory>

namespace overfill {

class compute_device {
  public:
    // Throws ERR_OUT_OF_MEMORY if the device does not start.
    compute_device(ggml_backend_dev_t device, int32_t n_threads);
    // The CPU.
    explicit compute_device(int32_t n_threads);

    ggml_backend_t backend() const { return backend_.get(); }
    const char * name() const;
    bool is_cpu() const;

    // Memory for all tensors of a context that have none. Throws ERR_OUT_OF_MEMORY.
    ggml_backend_buffer_ptr allocate(ggml_context * ctx) const;

    // Throws ERR_OPERATION_UNSUPPORTED (details: operation, device) for the first operation that the device does not
    // have.
    void check_supported(ggml_cgraph * graph) const;

    // From another thread, `stop` ends a graph that runs, where the back end can do that (the CPU can), and all later
    // ones; what it was writing to is then half written. It outlives this object.
    void stop_with(const std::atomic<bool> & stop);

    // Throws error_code::aborted, ERR_OUT_OF_MEMORY or ERR_INFERENCE_FAILED.
    void run(ggml_cgraph * graph) const;

  private:
    ggml_backend_dev_t device_;
    ggml_backend_ptr backend_;
    const std::atomic<bool> * stop_ = nullptr;
};

// A context for the descriptions of `n_tensors` tensors, without their data. Throws std::bad_alloc.
ggml_context_ptr make_tensor_context(size_t n_tensors);

}  // namespace overfill
