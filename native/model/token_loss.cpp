#include "token_loss.h"

#include <algorithm>
#include <cmath>

namespace overfill {

double token_loss(const float * logits, int32_t n_vocab, llama_token token) {
    const double largest = *std::max_element(logits, logits + n_vocab);
    double sum = 0;
    for (int32_t i = 0; i < n_vocab; i++) sum += std::exp(logits[i] - largest);
    return std::log(sum) + largest - logits[token];
}

}  // namespace overfill
