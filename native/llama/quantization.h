// llama.cpp's own choice of a type for each tensor of a quantised file, such as q4_k_m.
#pragma once

#include <ggml.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace overfill {

// general.file_type of a quantisation by its name in lower case: "f16", "q8_0", "q4_k_m", ...
std::optional<int> find_file_type(const std::string & name);
// All names, joined by ", ".
std::string file_type_names();

struct quantized_shape {
    std::string architecture;
    uint32_t n_embd, n_ff, n_layer, n_head, n_head_kv, head_size_k, head_size_v;
};

struct tensor_choice {
    std::string name;
    int64_t ne[2];
    ggml_type type;          // in: what it is if llama.cpp does not quantise it; out: what it becomes
    bool quantized = false;  // out
};

// As llama_model_quantize would choose for a file of these tensors, in any order. Where a row is no multiple of a block
// it falls back to a type of smaller blocks, and to f16 where there is none.
void choose_types(const quantized_shape & shape, int file_type, std::vector<tensor_choice> & tensors);

// Whether llama.cpp refuses to make the tensor of this type without an importance matrix.
bool needs_importance_matrix(const tensor_choice & tensor, int file_type);

}  // namespace overfill
