#include "refresh_budget.h"

#include <algorithm>
#include <cmath>

namespace overfill {

// Of a writer that is surer than that, the prefill model would hardly choose another token.
static constexpr float least_doubt = 0.05f;
// The tokens whose doubts are remembered.
static constexpr size_t n_remembered = 256;
// Where nothing may depend on measured times: a refresh costs as much as writing so many tokens, and reads as many as
// this at most.
static constexpr double tokens_a_refresh = 3;
static constexpr uint32_t n_always_cheap = 16;

// --- costs ---

static size_t class_of(uint32_t n) {
    size_t i = 0;
    while (i < 32 && ((uint64_t) 1 << i) < n) i++;
    return i;
}

void refresh_costs::saw(uint32_t n, double ms) {
    size_class & one = classes_[class_of(n)];
    one.n_tokens = one.cost.n == 0 ? n : one.n_tokens + (n - one.n_tokens) / 4;
    one.cost.saw(ms);
}

double refresh_costs::ms(uint32_t n, const guess & otherwise) const {
    // What was measured of at most and of at least as many; below all that, the guess for one.
    const double one_ms = classes_[0].cost.is_known() ? classes_[0].cost.ms : otherwise.one_ms;
    double from = 1, from_ms = one_ms;
    const size_class * above = nullptr;
    bool is_measured = classes_[0].cost.is_known();
    for (const size_class & one : classes_) {
        if (!one.cost.is_known()) continue;
        if (one.n_tokens <= n) {
            from = one.n_tokens;
            from_ms = one.cost.ms;
            is_measured = true;
        } else if (!above) {
            above = &one;
        }
    }
    if (from == n && is_measured) return from_ms;
    if (above) {
        from_ms = std::min(from_ms, above->cost.ms);
        return from_ms + (above->cost.ms - from_ms) * ((double) n - from) / (above->n_tokens - from);
    }
    // A tenth of a token for each more is less than any processor was seen to take: so it is tried. Where many cost
    // less than that, as a prompt shows, they do here.
    double more_ms = one_ms * 0.1;
    if (otherwise.prompt_token_ms > 0) more_ms = std::min(more_ms, otherwise.prompt_token_ms);
    return from_ms + more_ms * ((double) n - from);
}

uint32_t refresh_costs::n_cheap(const guess & otherwise) const {
    // Nobody knows what comes far behind the largest that was measured.
    uint32_t largest = 0;
    for (size_t i = 0; i + 1 < classes_.size(); i++)
        if (classes_[i].cost.is_known()) largest = 1u << i;
    const double most = 1.5 * ms(1, otherwise);
    uint32_t n = 1;
    while (n <= largest && n < (1u << 30) && ms(2 * n, otherwise) <= most) n *= 2;
    return n;
}

// --- budget ---

float refresh_budget::reached_by(double share) {
    const size_t n = doubts_.size();
    const size_t n_above = std::min(n - 1, (size_t) ((double) n * share));
    sorted_ = doubts_;
    std::nth_element(sorted_.begin(), sorted_.begin() + (std::ptrdiff_t) n_above, sorted_.end(), std::greater<float>());
    return sorted_[n_above];
}

uint32_t refresh_budget::choose(float doubt, uint32_t n_unread, bool in_part, const spent & so_far,
                                const refresh_costs & costs, const refresh_costs::guess & otherwise) {
    if (doubts_.size() < n_remembered)
        doubts_.push_back(doubt);
    else
        doubts_[next_++ % n_remembered] = doubt;
    threshold_ = 2;
    if (n_unread == 0 || so_far.n_tokens == 0) return 0;

    const bool fixed = options_.fixed_costs;
    const uint32_t n_cheap = fixed ? n_always_cheap : costs.n_cheap(otherwise);
    const uint32_t n = in_part ? std::min(n_unread, n_cheap) : n_unread;
    const double cost = fixed ? tokens_a_refresh : costs.ms(n, otherwise);
    const double written = fixed ? so_far.n_tokens : so_far.writing_ms;
    const double spent = fixed ? so_far.n_refreshes * tokens_a_refresh : so_far.refresh_ms;
    const double left = options_.share * written - spent;
    if (!(left >= cost) || cost <= 0) return 0;

    // So many of the tokens can have a refresh: more where something was saved, so that it is spent soon.
    const double paid = options_.share * written / so_far.n_tokens / cost;
    const double saved = 1 + left / cost;
    threshold_ = std::max(least_doubt, reached_by(std::min(1.0, paid * saved * saved)));
    return doubt >= threshold_ ? n : 0;
}

}  // namespace overfill
