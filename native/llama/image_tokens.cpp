#include "image_tokens.h"

#include <algorithm>
#include <cfloat>
#include <string>

namespace overfill {

// As llama.cpp has it (llama_model_chameleon::graph).
static constexpr int32_t first_image_token = 4, end_of_image_tokens = 8196;

bool leaves_image_tokens(const llama_model * model) {
    char name[32] = {};
    llama_model_meta_val_str(model, "general.architecture", name, sizeof(name));
    return std::string(name) == "chameleon";
}

void remove_image_tokens(llama_context * ctx, const llama_batch & batch) {
    const int32_t n_vocab = llama_vocab_n_tokens(llama_model_get_vocab(llama_get_model(ctx)));
    for (int32_t i = 0; i < batch.n_tokens; i++) {
        if (!batch.logits[i]) continue;
        if (float * row = llama_get_logits_ith(ctx, i))
            std::fill(row + std::min(first_image_token, n_vocab), row + std::min(end_of_image_tokens, n_vocab),
                      -FLT_MAX);
    }
}

}  // namespace overfill
