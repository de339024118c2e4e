#include "token_loss.h"

#include "log_softmax.h"

namespace overfill {

double token_loss(const float * logits, int32_t n_vocab, llama_token token) {
    return log_sum_exp(logits, (size_t) n_vocab) - logits[token];
}

}  // namespace overfill
