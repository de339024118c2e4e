#include "answer_trace.h"

#include <algorithm>

namespace overfill {

static bool same_rules(const sampling_options & a, const sampling_options & b) {
    return a.grammar == b.grammar && a.grammar_lazy == b.grammar_lazy && a.grammar_triggers == b.grammar_triggers &&
           a.generation_prompt == b.generation_prompt && a.reasoning == b.reasoning;
}

static bool same_mirostat(const sampling_options & a, const sampling_options & b) {
    return a.mirostat == b.mirostat && a.mirostat_tau == b.mirostat_tau && a.mirostat_eta == b.mirostat_eta;
}

answer_trace::beginning answer_trace::begin(sampling_options & options, size_t n_written) {
    // Tokens that were taken back took their numbers with them.
    const size_t n_taken_back = drawn_.size() - std::min(n_written, drawn_.size());
    drawn_.resize(n_written);
    mirostat_.resize(mirostat_.size() - std::min(n_taken_back, mirostat_.size()));
    const bool is_new = n_written == 0;
    if (is_new || !same_rules(before_, options) || rules_from_ > n_written) {
        before_ = options;
        rules_from_ = n_written;
    }
    const bool other_seed = options.has_seed ? options.seed != seed_ : parted_;
    parted_ = false;
    if (is_new || seed_from_ > n_written || other_seed) {
        seed_from_ = n_written;
        mirostat_.clear();
    } else {
        options.has_seed = true;
        options.seed = seed_;
    }
    if (!same_mirostat(last_, options)) mirostat_.clear();
    last_ = options;
    random_draws drawn;
    for (size_t i = seed_from_; i < n_written; i++) {
        drawn.choices += drawn_[i] / 16;
        drawn.xtc += drawn_[i] % 16;
    }
    return { rules_from_, drawn, mirostat_.empty() ? nullptr : mirostat_.back() };
}

void answer_trace::add(const random_draws & drawn, mirostat_state mirostat) {
    drawn_.push_back((uint8_t) (16 * drawn.choices + drawn.xtc));
    if (!mirostat) return;
    mirostat_.push_back(std::move(mirostat));
    if (mirostat_.size() > 512) mirostat_.pop_front();
}

}  // namespace overfill
