// What becomes of each tensor, decided by llama.cpp: llama_model_quantize runs dry, with the caller's options, and says
// of every tensor which type it would give it. What llama.cpp would find out halfway, or abort the process for, is
// looked for here, before anything is written.
#pragma once

#include "importance_matrix.h"
#include "quantize.h"
#include "stored_tensors.h"

#include <ggml.h>

#include <atomic>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace overfill {

struct quantized_tensor {
    const stored_tensor * source = nullptr;
    ggml_type type = GGML_TYPE_F32;
    const float * importance = nullptr;  // [n_matrices][n_columns], or null
    std::optional<ggml_type> wished;     // where llama.cpp fell back to another for the tensor's shape

    bool is_copy() const { return type == source->type; }
    int64_t n_columns() const { return source->ne[0]; }
    int64_t n_rows() const { return source->ne[1] * source->ne[2] * source->ne[3]; }
    uint64_t n_bytes() const { return ggml_row_size(type, n_columns()) * (uint64_t) n_rows(); }
};

// What the quantiser is given of an importance matrix, by the tensor's name.
using tensor_importance = std::unordered_map<std::string, std::vector<float>>;

struct quantize_plan {
    int file_type = 0;
    std::vector<quantized_tensor> tensors;  // in the order in which llama.cpp writes them
    size_t n_weighted = 0;                  // tensors that are quantised by an importance matrix
};

// `importance`: null if there is none; must live as long as the plan. Throws ERR_INVALID_ARGUMENT for types that are
// unknown or that a shape cannot have, for patterns that are no regular expressions or match nothing, for quantised
// tensors that would be quantised again without permission, and for a missing importance matrix;
// ERR_IMPORTANCE_MISMATCH for one that lacks a tensor or has another size; ERR_MODEL_UNSUPPORTED for what llama.cpp
// cannot quantise; error_code::aborted.
quantize_plan plan_quantization(const stored_tensors & model, const quantize_options & options,
                                const tensor_importance * importance, const std::atomic<bool> & stop);

}  // namespace overfill
