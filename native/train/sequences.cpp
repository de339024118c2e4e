#include "sequences.h"

#include <algorithm>
#include <cmath>

namespace overfill {

static std::vector<llama_token> joined(const example & from) {
    std::vector<llama_token> all = from.prompt;
    all.insert(all.end(), from.response.begin(), from.response.end());
    return all;
}

// tokens [begin, end) of a text, asked for from `first_asked` on; all are places in the text.
static void add(std::vector<train_sequence> & out, const std::vector<llama_token> & all, size_t begin, size_t end,
                size_t first_asked, bool with_prefix) {
    first_asked = std::max(first_asked, begin + 1);
    if (first_asked >= end) return;
    train_sequence made;
    if (with_prefix) made.prefix.assign(all.begin(), all.begin() + (std::ptrdiff_t) begin);
    made.tokens.assign(all.begin() + (std::ptrdiff_t) begin, all.begin() + (std::ptrdiff_t) end);
    made.first_target = (uint32_t) (first_asked - 1 - begin);
    out.push_back(std::move(made));
}

std::vector<train_sequence> sequences_of(const example & from, const sequence_options & options,
                                         random_state & random) {
    const std::vector<llama_token> all = joined(from);
    std::vector<train_sequence> out;
    if (options.mode != train_mode::overfill) {
        add(out, all, 0, all.size(), from.prompt.size(), false);
        return out;
    }

    size_t n_prompt = from.prompt.size();
    if (from.is_text) {
        const double share = 0.1 + 0.8 * random.uniform();
        n_prompt += (size_t) (share * (double) from.response.size());
    }
    size_t cut = (size_t) std::llround(options.prompt_ratio * (double) n_prompt);
    if (options.random_cutoff > 0) {
        const double share = options.random_cutoff * random.uniform();
        cut += (size_t) (share * (double) (all.size() - n_prompt));
    }
    const size_t first_asked = n_prompt + 1;
    const size_t step = options.refresh_interval ? options.refresh_interval : all.size();
    // The first piece ends where the response has `step` tokens; the token that follows is the full model's to give.
    for (size_t end = std::max(cut, n_prompt) + step; cut < all.size(); end += step) {
        add(out, all, cut, std::min(end, all.size()), first_asked, true);
        cut = end;
    }
    return out;
}

}  // namespace overfill
