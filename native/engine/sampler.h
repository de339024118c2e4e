// Picks the next token from a row of logits: logit bias, then llama.cpp's own samplers in llama.cpp's own order
// (sampler_chain.h). A grammar is first asked about the token that was picked and filters the whole vocabulary only if
// it refuses it; a lazy one that sleeps is not asked, nor is it while the model reasons. The budget for reasoning comes
// before everything else.
//
// The row is given by pointer and not by context: the first token's logits are the prefill model's and may have been
// kept for a while (llama-common's sampler reads from a context only).
#pragma once

#include "answer_grammar.h"
#include "answer_trace.h"
#include "options.h"
#include "reasoning_budget.h"
#include "token_distribution.h"
#include "token_pieces.h"

#include <llama.h>

#include <functional>
#include <memory>
#include <optional>
#include <vector>

namespace overfill {

// log p of a token, natural logarithm, over the raw logits.
struct token_log_prob {
    llama_token token;
    float log_prob;
};

class sampler {
  public:
    // Throws ERR_GRAMMAR_INVALID or ERR_INVALID_ARGUMENT (a logit bias for a token outside the vocabulary, reasoning
    // without an end tag).
    // `n_context` is what a repeat_last_n of -1 stands for. `pieces` are the vocabulary's, or made when they are
    // needed. While `stopped` says so, what follows a grammar throws error_code::aborted.
    sampler(const llama_model * model, const sampling_options & options, int32_t n_context,
            std::shared_ptr<token_pieces> pieces = nullptr, std::function<bool()> stopped = nullptr);

    // Lets penalties and DRY know the tokens already in the context.
    void observe(const std::vector<llama_token> & tokens);

    // Goes on with an answer: its rules have seen these tokens, so many numbers were drawn, and mirostat
    // stood so, if that is known.
    void resume(const std::vector<llama_token> & followed, const random_draws & drawn,
                const mirostat_state & mirostat = nullptr);

    // Whether the grammar is complete, so that nothing can follow.
    bool over() const { return bound() && grammar_->over(); }

    // logits: [n_vocab]. Nothing if the grammar may end here and every way on is forbidden. Throws ERR_INFERENCE_FAILED
    // if the logits hold no finite number, or if the logit bias and the grammar leave no token to choose;
    // ERR_GRAMMAR_INVALID if the grammar is too ambiguous.
    std::optional<llama_token> sample(const float * logits);

    // What `sample` draws from, drawn from by the caller. Random numbers of XTC are drawn, those of the choice are not.
    // Nothing, and failures, as `sample`. Not for a chain that has no such thing: see has_distribution.
    std::optional<token_distribution> distribution(const float * logits);
    // Not where the likeliest token is taken, nor with mirostat, whose steps depend on the token that it has chosen.
    bool has_distribution() const { return !greedy_ && !mirostat_; }

    // Records the token that was sampled.
    void accept(llama_token token);

    // What is accepted between the two is taken back at the end. A lazy grammar that sleeps sleeps on.
    void begin_draft();
    void end_draft();
    bool is_drafting() const { return before_draft_.has_value(); }

    // Whether a token that was chosen elsewhere may stand here: the logit bias, the grammar and the budget for
    // reasoning have a say. It is then as if it had been sampled without a random number.
    bool allows(llama_token token);
    // Whether something beside the model's logits says which tokens are to come: penalties, DRY, a bias.
    bool has_preferences() const { return has_step("penalties") || has_step("dry") || !bias_.empty(); }

    // The token's log-probability first, then the n most likely tokens', likeliest first.
    std::vector<token_log_prob> log_probs(const float * logits, llama_token token, int32_t n) const;

    uint32_t seed() const { return seed_; }
    // Random numbers that the last `sample` drew.
    const random_draws & drawn() const { return drawn_; }
    // Null without mirostat.
    mirostat_state mirostat() const;

  private:
    // Whether a grammar reads the answer now, and whether it has a say.
    bool reads() const { return grammar_ && !(lazy_ && reasoning_ && reasoning_->is_reasoning()); }
    bool bound() const { return reads() && !grammar_->sleeps(); }
    void follow(llama_token token);
    void begin_reasoning(const reasoning_options & options);
    void read_generation_prompt(const std::string & text);
    bool has_step(const char * name) const;
    size_t fill(const float * logits, const std::vector<uint8_t> * allowed);
    // What the budget for reasoning demands here.
    std::optional<llama_token> forced_token();
    bool may_choose(size_t n_candidates, bool by_grammar) const;
    llama_token_data_array narrow(size_t n_candidates);
    llama_token choose(size_t n_candidates);
    std::vector<token_distribution::entry> weigh(size_t n_candidates);
    void drop_hopeless(llama_token_data_array & left) const;

    const llama_vocab * vocab_;
    int32_t n_vocab_;
    uint32_t seed_;
    bool greedy_;
    bool plain_greedy_;  // nothing but an argmax over the raw logits
    // The same where no bias is on the likeliest token, since none raises another one: end tokens that are ignored,
    // tokens that a model suppresses.
    bool greedy_unless_biased_;
    float temperature_;
    int32_t n_observed_ = 0;
    random_draws drawn_;
    std::vector<float> bias_;  // [n_vocab], empty if there is none
    bool penalties_later_;     // other samplers come before them
    bool mirostat_;
    std::vector<sampler_step> steps_;  // the last one chooses
    std::unique_ptr<answer_grammar> grammar_;
    bool lazy_;
    std::unique_ptr<reasoning_budget> reasoning_;
    std::vector<llama_token_data> candidates_;  // [n_vocab], reused by every step

    struct saved_state {
        std::vector<llama_sampler_ptr> steps;
        std::unique_ptr<reasoning_budget> reasoning;
    };
    std::optional<saved_state> before_draft_;
};

// The index of the largest of n values, the first of equals. Throws ERR_INFERENCE_FAILED if it is not finite.
llama_token argmax(const float * values, int32_t n);

}  // namespace overfill
