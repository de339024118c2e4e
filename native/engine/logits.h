// Broken weights show in the logits: they are looked at before anything is made of them.
#pragma once

#include <llama.h>

#include <cstddef>

namespace overfill {

// Whether none of n logits is NaN or infinitely large, and one is finite. Minus infinity is a token that cannot be.
bool are_logits(const float * logits, int32_t n);

// Throws ERR_INFERENCE_FAILED if they are none, with the side ("prefill" or "decode") and the number of tokens read
// before them.
void check_logits(const float * logits, int32_t n, const char * side, size_t n_read);

// How near the second most likely token is to the likeliest: its probability in shares of the other's, from 0 (sure) to
// 1. One pass over logits that were checked.
float doubt_of(const float * logits, int32_t n);

}  // namespace overfill
