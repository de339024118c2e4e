// What a model's memory takes, from the facts about the model: for `inspect`, before anything is allocated.
#pragma once

#include "model_traits.h"
#include "pair_plan.h"

#include <cstdint>

namespace overfill {

// Bytes that one more token takes: K and V of all layers, indexer keys, and its share of compressed rows.
uint64_t kv_bytes_per_token(const model_traits & model, const cache_traits & cache);

// Bytes of a session's state, which does not grow with its tokens: 0 where there is none. Where a sequence cannot be cut
// behind any token, a second one is kept to go back to.
uint64_t state_bytes_per_session(const model_traits & model);

// Bytes that llama.cpp allocates for `n_sequences` sequences of at most `n_tokens` tokens each.
uint64_t memory_bytes(const model_traits & model, const cache_traits & cache, uint32_t n_tokens, uint32_t n_sequences);

}  // namespace overfill
