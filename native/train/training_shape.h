// What the training graph has to know of a model beside its weights. The architecture's row and the metadata say it,
// except for RoPE, where llama.cpp itself is asked.
#pragma once

#include "architecture.h"
#include "rope_parameters.h"

#include <llama.h>

#include <cstdint>
#include <string>
#include <vector>

namespace overfill {

struct training_layer {
    rope_parameters rope;  // factors included
    bool sliding = false;  // attends only to the last sliding_window positions
};

struct training_shape {
    architecture arch;
    uint32_t n_embd = 0, n_ff = 0, n_head = 0, n_head_kv = 0, n_vocab = 0;
    uint32_t head_size_k = 0, head_size_v = 0;
    uint32_t sliding_window = 0;
    float norm_eps = 0;
    float attention_factor = 0;  // of the scores
    float embedding_factor = 1, residual_factor = 1, logit_factor = 1;
    float attention_cap = 0, logit_cap = 0;  // cap * tanh(x / cap) of scores and logits; 0: none
    std::vector<training_layer> layers;

    uint32_t n_embd_k() const { return n_head_kv * head_size_k; }
    uint32_t n_embd_v() const { return n_head_kv * head_size_v; }
};

// `context_size` is that of later inference: some kinds of RoPE scaling go by it. Throws the codes of check_model_file
// and load_model; ERR_MODEL_UNSUPPORTED for an architecture without a row, or a model with something that the training
// graph does not compute; ERR_OUT_OF_MEMORY.
training_shape training_shape_of(const std::string & path, uint32_t context_size);

}  // namespace overfill
