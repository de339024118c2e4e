// Broken weights show in the logits: they are looked at before anything is made of them.
#pragma once

#include <llama.h>

#include <cstddef>

namespace overfill {

// Throws ERR_INFERENCE_FAILED if one of n logits is NaN or infinitely large, or if none is finite, with the side
// ("prefill" or "decode") and the number of tokens read before them. Minus infinity is a token that cannot be.
void check_logits(const float * logits, int32_t n, const char * side, size_t n_read);

}  // namespace overfill
