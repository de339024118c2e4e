// Picks the next token from a row of logits with llama.cpp's own samplers, in llama.cpp's own order: logit bias,
// penalties, top-k, typical-p, top-p, min-p, temperature, distribution. A grammar is first asked about the token that
// was picked and filters the whole vocabulary only if it refuses it.
//
// The row is given by pointer and not by context: the first token's logits are the prefill model's and may have been
// kept for a while (llama-common's sampler reads from a context only).
#pragma once

#include "options.h"

#include <llama.h>

#include <memory>
#include <vector>

namespace overfill {

// log p of a token, natural logarithm, over the raw logits.
struct token_log_prob {
    llama_token token;
    float log_prob;
};

class sampler {
  public:
    // Throws ERR_GRAMMAR_INVALID or ERR_INVALID_ARGUMENT (a logit bias for a token outside the vocabulary).
    // `n_context` is what a repeat_last_n of -1 stands for.
    sampler(const llama_vocab * vocab, const sampling_options & options, int32_t n_context);

    // Lets the penalties know the tokens already in the context.
    void observe(const std::vector<llama_token> & tokens);

    // logits: [n_vocab]. Throws ERR_INFERENCE_FAILED if they hold no finite number, or if the logit bias and the
    // grammar leave no token to choose.
    llama_token sample(const float * logits);

    // Records the token that was sampled.
    void accept(llama_token token);

    // The token's log-probability first, then the n most likely tokens', likeliest first.
    std::vector<token_log_prob> log_probs(const float * logits, llama_token token, int32_t n) const;

    uint32_t seed() const { return seed_; }

  private:
    struct free_sampler {
        void operator()(llama_sampler * s) const { llama_sampler_free(s); }
    };
    using sampler_ptr = std::unique_ptr<llama_sampler, free_sampler>;

    void add(llama_sampler * step);
    llama_token_data_array fill(const float * logits);
    bool grammar_accepts(llama_token token) const;
    llama_token choose(llama_token_data_array & candidates);

    const llama_vocab * vocab_;
    int32_t n_vocab_;
    uint32_t seed_;
    bool plain_greedy_;  // nothing but an argmax over the raw logits
    int32_t n_observed_ = 0;
    std::vector<llama_token> forbidden_;  // sorted
    sampler_ptr chain_;
    sampler_ptr grammar_;
    std::vector<llama_token_data> candidates_;  // [n_vocab], reused by every step
};

// The index of the largest of n values, the first of equals. Throws ERR_INFERENCE_FAILED if it is not finite.
llama_token argmax(const float * values, int32_t n);

}  // namespace overfill
