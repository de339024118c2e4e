#include "reasoning_budget.h"

#include <climits>
#include <cmath>
#include <reasoning-budget.h>

namespace overfill {

reasoning_budget::reasoning_budget(const llama_vocab * vocab, const std::vector<tokens> & start,
                                   const std::vector<tokens> & end, const tokens & forced, int32_t budget, bool inside)
    : sampler_(common_reasoning_budget_init(vocab, start, end, forced, budget < 0 ? INT_MAX : budget,
                                            inside ? REASONING_BUDGET_COUNTING : REASONING_BUDGET_IDLE)),
      forced_(forced) {}

reasoning_budget reasoning_budget::copy() const { return { llama_sampler_clone(sampler_.get()), forced_ }; }

bool reasoning_budget::is_reasoning() const {
    const common_reasoning_budget_state state = common_reasoning_budget_get_state(sampler_.get());
    return state != REASONING_BUDGET_IDLE && state != REASONING_BUDGET_DONE;
}

std::optional<llama_token> reasoning_budget::forced() const {
    if (common_reasoning_budget_get_state(sampler_.get()) != REASONING_BUDGET_FORCING) return std::nullopt;
    // It leaves one of all tokens, which is one of these.
    std::vector<llama_token_data> candidates;
    for (const llama_token token : forced_) candidates.push_back({ token, 0.0f, 0.0f });
    llama_token_data_array array = { candidates.data(), candidates.size(), -1, false };
    llama_sampler_apply(sampler_.get(), &array);
    for (const llama_token_data & candidate : candidates)
        if (candidate.logit != -INFINITY) return candidate.id;
    return std::nullopt;
}

void reasoning_budget::accept(llama_token token) { llama_sampler_accept(sampler_.get(), token); }

const reasoning_budget::tokens * reasoning_budget::ended_by() const {
    return common_reasoning_budget_get_state(sampler_.get()) == REASONING_BUDGET_DONE
               ? common_reasoning_budget_get_end_match(sampler_.get())
               : nullptr;
}

}  // namespace overfill
