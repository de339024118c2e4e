// How many tokens are drafted before the prefill model checks them: as many as give the most tokens for the time, by
// what was measured of this machine and of this answer. Where none pays, the prefill model writes alone, and a draft is
// tried at the answer's begin and again now and then: the shortest that pays if all of it is kept. If it is, one of
// twice the length is tried at once, for where long reads cost little more than short ones, only long drafts pay.
//
// With each drafted token kept with probability a, a check of k of them gives 1 + a + ... + a^k tokens, one of which is
// the prefill model's own (Leviathan et al., arXiv 2211.17192, equation 1). It costs k drafted tokens and one read of
// k + 1.
#pragma once

#include "measured_cost.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace overfill {

// At most, in one draft.
constexpr uint32_t most_drafted = 15;

// What a pair's models cost on this machine, in milliseconds: for all its sessions.
class draft_costs {
  public:
    // The prefill model read n tokens of one sequence.
    void saw_check(uint32_t n, double ms) {
        checks_.at(n).saw(ms);
        longest_ = std::max(longest_, n);
    }
    // A token was drafted.
    void saw_draft(double ms) { draft_.saw(ms); }

    bool knows_token() const { return checks_[1].is_known(); }
    double draft_ms() const { return draft_.is_known() ? draft_.ms : 0; }
    // What was not measured is reckoned from what was, and rather too cheap, so that it is tried.
    double check_ms(uint32_t n) const;
    // Nobody can tell from a token alone what sixteen cost: of no more than twice as many as were read before.
    uint32_t longest_guessed() const { return 2 * longest_; }

  private:
    std::array<measured_cost, most_drafted + 2> checks_{};  // by tokens
    measured_cost draft_;
    uint32_t longest_ = 1;  // check, in tokens
};

// One answer's.
class draft_length {
  public:
    // `fixed`: always drafts of that many tokens, so that an answer does not depend on times; 0: as many as pay.
    explicit draft_length(uint32_t fixed = 0) : fixed_(fixed) {}

    // So many of the next check's tokens are to be drafted, at most `most`; 0: none.
    uint32_t choose(const draft_costs & costs, uint32_t most);
    // Whether a draft of n tokens that costs nothing is worth its check, and how much of it: 0: nothing. `drafts`: the
    // decode model could draft in its place.
    uint32_t choose_given(const draft_costs & costs, uint32_t n, bool drafts = true);

    // Of n drafted tokens the first n_kept were kept; those behind the first that was not say nothing.
    void saw(uint32_t n, uint32_t n_kept);
    void saw_given(uint32_t n, uint32_t n_kept) { saw(given_, n, n_kept); }

    double acceptance() const { return by_model_.rate(); }

  private:
    struct trials {
        double n_kept, n;  // as if they had been seen, at first
        double rate() const { return n_kept / n; }
    };
    static void saw(trials & of, uint32_t n, uint32_t n_kept);
    struct choice {
        uint32_t n = 0;
        double ms_per_token;
    };
    choice best(const draft_costs & costs, const trials & of, uint32_t most, double draft_ms) const;

    uint32_t fixed_;
    trials by_model_{ 2.4, 3 }, given_{ 2, 4 };
    uint32_t n_all_kept_ = 0;  // tokens of the last draft, if all were kept
    uint32_t n_without_ = 0;   // tokens since the last draft
    uint32_t try_again_after_ = 1;
};

}  // namespace overfill
