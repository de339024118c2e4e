// AdamW (Loshchilov and Hutter, arXiv 1711.05101) over all trained parameters, as one ggml graph.
//
//   m = b1 m + (1 - b1) g,  v = b2 v + (1 - b2) g^2
//   w = (1 - rate * decay) w - rate * (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)
#pragma once

#include "parameters.h"

#include <cstdint>

namespace overfill {

struct adamw_options {
    double beta1 = 0.9;
    double beta2 = 0.95;
    double epsilon = 1e-8;
    double decay = 0;
    // Which parameters decay; null: matrices do, norms and biases do not.
    parameter_filter decays;
};

class adamw {
  public:
    // Throws ERR_OUT_OF_MEMORY, or ERR_OPERATION_UNSUPPORTED if the device does not have the operation.
    adamw(const parameter_list & trained, const parameter_sums & gradients, const compute_device & device,
          const adamw_options & options);
    adamw(const parameter_set & parameters, const parameter_sums & gradients, const compute_device & device,
          const adamw_options & options)
        : adamw(parameters.trained(), gradients, device, options) {}

    // One step down the gradients as they are.
    void step(double learning_rate);

    // Steps taken; with the moments it is the whole state.
    uint64_t n_steps() const { return n_steps_; }
    void set_n_steps(uint64_t n) { n_steps_ = n; }
    const parameter_sums & first_moments() const { return first_; }
    const parameter_sums & second_moments() const { return second_; }

  private:
    const compute_device & device_;
    adamw_options options_;
    parameter_sums first_, second_;
    uint64_t n_steps_ = 0;
    ggml_context_ptr constants_ctx_, ctx_;
    ggml_backend_buffer_ptr constants_buffer_;
    ggml_tensor *decaying_ = nullptr, *plain_ = nullptr;  // the operation's arguments, [7] each
    ggml_cgraph * graph_ = nullptr;
};

}  // namespace overfill
