// What a model's memory takes, from the facts about the model: for `inspect`, before anything is allocated.
#pragma once

#include "model_traits.h"

#include <ggml.h>

#include <cstdint>
#include <string>

namespace overfill {

// What the caches will be, as far as it does not follow from the models.
struct cache_traits {
    ggml_type type_k = GGML_TYPE_F16;
    ggml_type type_v = GGML_TYPE_F16;
    bool v_transposed = false;
    std::string device = "CPU";  // where the cache's layers lie
};

// Bytes that one more token of a session takes: K and V of all layers, indexer keys, and its share of compressed rows.
uint64_t kv_bytes_per_token(const model_traits & model, const cache_traits & cache);

// Bytes of a session's state, which does not grow with its tokens: 0 where there is none.
//
// Where a sequence cannot be cut behind any token, a session has a second one to go back to. It counts in both figures
// as far as it takes memory: its state does, and K and V where sequences cannot have cells in common (DeepSeek 4).
uint64_t state_bytes_per_session(const model_traits & model);

// Bytes that llama.cpp allocates for `n_sequences` sequences of at most `n_tokens` tokens each.
uint64_t memory_bytes(const model_traits & model, const cache_traits & cache, uint32_t n_tokens, uint32_t n_sequences);

}  // namespace overfill
