#include "draft_length.h"

#include <algorithm>

namespace overfill {

double draft_costs::check_ms(uint32_t n) const {
    if (checks_[n].is_known()) return checks_[n].ms;
    uint32_t below = 0, above = 0;
    for (uint32_t i = n; i > 0 && below == 0; i--)
        if (checks_[i].is_known()) below = i;
    for (uint32_t i = n; i < checks_.size() && above == 0; i++)
        if (checks_[i].is_known()) above = i;
    if (below > 0 && above > 0)
        return checks_[below].ms +
               (checks_[above].ms - checks_[below].ms) * (double) (n - below) / (double) (above - below);
    // The more are read, the less each adds: half of what the last ones did is little enough to be tried, and so is a
    // tenth of a token.
    uint32_t before = below - 1;
    while (before > 1 && !checks_[before].is_known()) before--;
    const double last_ones =
        before > 0 ? (checks_[below].ms - checks_[before].ms) / (double) (below - before) : checks_[1].ms * 0.1;
    return checks_[below].ms + std::max(last_ones / 2, checks_[1].ms * 0.1) * (double) (n - below);
}

draft_length::choice draft_length::best(const draft_costs & costs, const trials & of, uint32_t most,
                                        double draft_ms) const {
    choice out{ 0, costs.check_ms(1) };
    double n_tokens = 1, power = 1;
    for (uint32_t k = 1; k <= std::min({ most, most_drafted, costs.longest_guessed() - 1 }); k++) {
        power *= of.rate();
        n_tokens += power;
        const double ms = (draft_ms * k + costs.check_ms(k + 1)) / n_tokens;
        if (ms < out.ms_per_token) out = { k, ms };
    }
    return out;
}

uint32_t draft_length::choose(const draft_costs & costs, uint32_t most) {
    if (fixed_ > 0) return std::min(fixed_, most);
    // A token alone is measured first: what others cost is compared with that.
    if (most == 0 || !costs.knows_token()) return 0;
    const auto best_if = [&](const trials & of, uint32_t up_to) { return best(costs, of, up_to, costs.draft_ms()).n; };
    if (const uint32_t n = best_if(by_model_, most)) {
        n_without_ = 0;
        try_again_after_ = 32;
        return n;
    }
    // None pays, as far as is known; where all of a draft is kept, longer ones may.
    constexpr trials all_kept{ 1, 1 };
    const uint32_t longest = best_if(all_kept, most);
    if (n_all_kept_ > 0 && longest > 0) return std::min(2 * n_all_kept_ + 1, longest);
    if (++n_without_ < std::max(try_again_after_, longest > 0 ? 1u : 32u)) return 0;
    n_without_ = 0;
    try_again_after_ = std::clamp(try_again_after_ * 2, 96u, 512u);
    // Of those that could pay, the one with which least is lost.
    uint32_t shortest = 1;
    while (shortest < longest && best_if(all_kept, shortest) == 0) shortest++;
    return shortest;
}

uint32_t draft_length::choose_given(const draft_costs & costs, uint32_t n, bool drafts) {
    if (fixed_ > 0) return std::min(fixed_, n);
    if (n == 0 || !costs.knows_token()) return 0;
    const choice given = best(costs, given_, n, 0),
                 own = best(costs, by_model_, drafts ? most_drafted : 0, costs.draft_ms());
    return given.ms_per_token < own.ms_per_token ? given.n : 0;
}

void draft_length::saw(uint32_t n, uint32_t n_kept) {
    n_all_kept_ = n_kept == n ? n : 0;
    saw(by_model_, n, n_kept);
}

void draft_length::saw(trials & of, uint32_t n, uint32_t n_kept) {
    // Tokens further back count less: how well a text can be foretold changes within it.
    constexpr double fade = 0.97;
    for (uint32_t i = 0; i < std::min(n, n_kept + 1); i++) {
        of.n = of.n * fade + 1;
        of.n_kept = of.n_kept * fade + (i < n_kept ? 1 : 0);
    }
}

}  // namespace overfill
