// The one log-softmax: the log-probability of token i is logits[i] - log_sum_exp(logits, n).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace overfill {

// In float64 and relative to the largest logit, so that nothing overflows.
inline double log_sum_exp(const float * logits, size_t n) {
    const double largest = *std::max_element(logits, logits + n);
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += std::exp(logits[i] - largest);
    return largest + std::log(sum);
}

}  // namespace overfill
