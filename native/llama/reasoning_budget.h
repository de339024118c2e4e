// Limits what an answer spends on reasoning, by libllama-common's own sampler: it counts tokens between a start tag and
// an end tag, and forces the end tag when there were too many. Another start tag begins a budget anew.
#pragma once

#include <llama.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace overfill {

class reasoning_budget {
  public:
    using tokens = std::vector<llama_token>;

    // `forced`, not empty, are the tokens that come when the budget is spent; a negative budget is never spent.
    // `inside`: reasoning has begun before the answer.
    reasoning_budget(const llama_vocab * vocab, const std::vector<tokens> & start, const std::vector<tokens> & end,
                     const tokens & forced, int32_t budget, bool inside);

    // As it stands.
    reasoning_budget copy() const;

    bool is_reasoning() const;
    // The token that has to come next, whatever the logits say.
    std::optional<llama_token> forced() const;
    void accept(llama_token token);
    // The end tag, where the last token ended reasoning by it.
    const tokens * ended_by() const;

  private:
    reasoning_budget(llama_sampler * state, tokens forced) : sampler_(state), forced_(std::move(forced)) {}

    struct free_sampler {
        void operator()(llama_sampler * s) const { llama_sampler_free(s); }
    };

    std::unique_ptr<llama_sampler, free_sampler> sampler_;
    tokens forced_;
};

}  // namespace overfill
