// A transposition as a node of a CPU graph.
#pragma once

#include <ggml.h>

namespace overfill {

// [b, a, c, d] of an f32 tensor [a, b, c, d] whose rows are contiguous.
ggml_tensor * transpose_on_cpu(ggml_context * ctx, ggml_tensor * x);

}  // namespace overfill
