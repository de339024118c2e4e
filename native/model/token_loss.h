// The loss of one predicted token.
#pragma once

#include <llama.h>

#include <cstdint>

namespace overfill {

// -ln of the token's probability, all in float64: losses are compared to the third digit.
double token_loss(const float * logits, int32_t n_vocab, llama_token token);

}  // namespace overfill
