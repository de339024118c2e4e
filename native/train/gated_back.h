// The gradients of a gated activation as nodes of a CPU graph: each in one pass over memory, on all threads. ggml has
// silu's as four passes, and none of GELU's, whose pieces run on one thread.
#pragma once

#include "architecture.h"

#include <ggml.h>

#include <cstdint>
#include <vector>

namespace overfill {

// n values, one by one.
struct gated_kernel {
    const char * name;
    // out = d * silu(gate)
    void (*silu_up)(const float * gate, const float * d, int64_t n, float * out);
    // out = d * up * slope of the activation at gate
    void (*silu_gate)(const float * gate, const float * up, const float * d, int64_t n, float * out);
    void (*gelu_gate)(const float * gate, const float * up, const float * d, int64_t n, float * out);
};

// Those that run here, the fastest first.
const std::vector<gated_kernel> & gated_kernels();

// Of activation(gate) * up with the gradient d; all of one shape.
ggml_tensor * silu_up_back(ggml_context * ctx, ggml_tensor * gate, ggml_tensor * d);
ggml_tensor * gate_back(ggml_context * ctx, ggml_tensor * gate, ggml_tensor * up, ggml_tensor * d,
                        ffn_activation activation);

}  // namespace overfill
