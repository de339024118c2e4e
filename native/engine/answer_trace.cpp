#include "answer_trace.h"

#include <numeric>

namespace overfill {

static bool same_grammar(const sampling_options & a, const sampling_options & b) {
    return a.grammar == b.grammar && a.grammar_lazy == b.grammar_lazy && a.grammar_triggers == b.grammar_triggers;
}

answer_trace::beginning answer_trace::begin(sampling_options & options, size_t n_written) {
    // Tokens that were taken back took their numbers with them.
    n_drawn_.resize(n_written);
    const bool is_new = n_written == 0;
    if (is_new || !same_grammar(before_, options) || grammar_from_ > n_written) {
        before_ = options;
        grammar_from_ = n_written;
    }
    if (is_new || seed_from_ > n_written || (options.has_seed && options.seed != seed_)) {
        seed_from_ = n_written;
    } else {
        options.has_seed = true;
        options.seed = seed_;
    }
    return { grammar_from_, std::accumulate(n_drawn_.begin() + (long) seed_from_, n_drawn_.end(), (size_t) 0) };
}

}  // namespace overfill
