// Multiplies rows by a linear map with ggml's own mul_mat on the CPU.
#pragma once

#include "translation.h"

#include <ggml-backend.h>

#include <memory>

namespace overfill {

class linear_runner {
  public:
    // Throws ERR_OUT_OF_MEMORY.
    explicit linear_runner(int32_t n_threads);

    // out [n][n_out] = W in [n][n_in]; the bias is not added. Throws ERR_INFERENCE_FAILED or ERR_OUT_OF_MEMORY.
    void run(const linear_map & map, float * in, float * out, uint32_t n);

  private:
    struct free_backend {
        void operator()(ggml_backend_t backend) const { ggml_backend_free(backend); }
    };
    std::unique_ptr<ggml_backend, free_backend> backend_;
};

}  // namespace overfill
