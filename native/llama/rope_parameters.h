// How a context's model encodes positions in K: the arguments that llama.cpp gives to ggml_rope_ext for one layer.
#pragma once

#include <llama.h>

#include <cstdint>
#include <vector>

namespace overfill {

struct rope_parameters {
    int type = -1;       // enum llama_rope_type; -1: the layer has no position encoding
    int32_t n_dims = 0;  // rotated dimensions of a head, from its start
    float base = 10000.0f;
    float scale = 1.0f;  // 1 / scaling factor
    int32_t n_ctx_orig = 0;
    float ext_factor = 0.0f;
    float attn_factor = 1.0f;
    float beta_fast = 32.0f;
    float beta_slow = 1.0f;
    std::vector<float> factors;  // [n_dims / 2] divisors of the frequencies, may be empty

    bool none() const { return type < 0; }
    // Adjacent dimensions form a pair (as against i and i + n_dims / 2).
    bool adjacent() const { return type == LLAMA_ROPE_TYPE_NORM; }
    // Pairs of one position each; the multi-dimensional kinds are not.
    bool plain() const { return none() || type == LLAMA_ROPE_TYPE_NORM || type == LLAMA_ROPE_TYPE_NEOX; }

    bool operator==(const rope_parameters & o) const;
    bool operator!=(const rope_parameters & o) const { return !(*this == o); }
};

rope_parameters rope_of(const llama_context * ctx, uint32_t layer);

// The angle of every pair at position 1, and the factor by which both cosine and sine are multiplied. An angle at
// position p is p times that. Sources: ggml_rope_ext; YaRN, arXiv 2309.00071.
struct rope_frequencies {
    std::vector<double> angles;  // [n_dims / 2]
    double magnitude = 1.0;
};
rope_frequencies frequencies_of(const rope_parameters & rope);

}  // namespace overfill
