#include "answer_trace.h"

#include <numeric>

namespace overfill {

static bool same_rules(const sampling_options & a, const sampling_options & b) {
    return a.grammar == b.grammar && a.grammar_lazy == b.grammar_lazy && a.grammar_triggers == b.grammar_triggers &&
           a.generation_prompt == b.generation_prompt && a.reasoning == b.reasoning;
}

answer_trace::beginning answer_trace::begin(sampling_options & options, size_t n_written) {
    // Tokens that were taken back took their numbers with them.
    n_drawn_.resize(n_written);
    const bool is_new = n_written == 0;
    if (is_new || !same_rules(before_, options) || rules_from_ > n_written) {
        before_ = options;
        rules_from_ = n_written;
    }
    if (is_new || seed_from_ > n_written || (options.has_seed && options.seed != seed_)) {
        seed_from_ = n_written;
    } else {
        options.has_seed = true;
        options.seed = seed_;
    }
    return { rules_from_, std::accumulate(n_drawn_.begin() + (long) seed_from_, n_drawn_.end(), (size_t) 0) };
}

}  // namespace overfill
