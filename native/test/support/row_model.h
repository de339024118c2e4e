// Writes tiny random models of every architecture in the table, with the tensors and keys that its loader asks for.
#pragma once

#include <ggml.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace overfill::test {

struct row_model {
    std::string architecture = "llama";
    uint32_t seed = 1;
    uint32_t n_layer = 3, n_embd = 64, n_ff = 96, n_head = 4, n_head_kv = 2, head_size = 16;
    uint32_t n_vocab = 300;
    float norm_eps = 1e-5f;
    bool tied = false;       // no output matrix; where it is always tied there is none anyway
    bool biases = false;     // of Q, K and V, and those that the loader of llama knows besides
    bool fused_qkv = false;  // one matrix for Q, K and V
    bool rope_freqs = false;
    bool long_factors = false;  // phi3
    uint32_t sliding_window = 0;
    bool explicit_head_size = true;
    ggml_type type = GGML_TYPE_F32;
    // May change a tensor's values before they are written: [ne1][ne0].
    std::function<void(const std::string & name, std::vector<float> & values, int64_t ne0, int64_t ne1)> change;
};

// One file, or parts of at most so many tensors.
void write_row_model(const row_model & model, const std::string & path);
std::vector<std::string> write_split_row_model(const row_model & model, const std::string & prefix,
                                               size_t tensors_per_part);

// The logits of all positions, [n_tokens][n_vocab], with f32 caches and no flash attention.
std::vector<float> logits_of(const std::string & path, const std::vector<int32_t> & tokens);

// The largest difference, relative to the largest of the expected.
double relative_difference(const std::vector<float> & actual, const std::vector<float> & expected);

}  // namespace overfill::test
