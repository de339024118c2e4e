// When an answer is refreshed that may spend a share of its time on it: where its writer is unsure, so often that the
// share is used up and never more. The prefill model then reads again what was written last, and chooses the token that
// the writer was unsure of.
//
// How unsure a writer has to be follows from the answer itself: of the last tokens, only the doubts of so many may be
// greater as refreshes can be paid. The longer nothing was spent, the less doubt is enough.
//
// Costs are given by the caller; no clock is read here.
#pragma once

#include "measured_cost.h"
#include "options.h"

#include <array>
#include <cstdint>
#include <vector>

namespace overfill {

// What refreshes for a writer cost on this machine: for all sessions of a pair.
class refresh_costs {
  public:
    // What is assumed of what was not measured.
    struct guess {
        double one_ms;               // of one token
        double prompt_token_ms = 0;  // of one among many, as of a prompt; 0: not known
    };

    // A refresh of n tokens took that long, the handover included.
    void saw(uint32_t n, double ms);
    double ms(uint32_t n, const guess & otherwise) const;
    // The tokens that can be read again for little more than one.
    uint32_t n_cheap(const guess & otherwise) const;

  private:
    // By powers of two: 1, 2, up to 4, up to 8, ...
    struct size_class {
        measured_cost cost;
        double n_tokens = 0;  // of those that were measured, about
    };
    std::array<size_class, 33> classes_{};
};

class refresh_budget {
  public:
    // How the answer stands, its refreshes apart.
    struct spent {
        uint32_t n_tokens = 0;  // written
        double writing_ms = 0;
        uint32_t n_refreshes = 0;
        double refresh_ms = 0;
    };

    explicit refresh_budget(const refresh_budget_options & options) : options_(options) {}

    // Before a token is chosen of which the writer has this doubt (logits.h): of the n_unread tokens that the prefill
    // model has not read, so many of the last are to be read again first; 0: none. `in_part`: they need not be all.
    uint32_t choose(float doubt, uint32_t n_unread, bool in_part, const spent & so_far, const refresh_costs & costs,
                    const refresh_costs::guess & otherwise);

    // The least doubt that was enough for the last choice; 2 where no refresh could be paid.
    float threshold() const { return threshold_; }

  private:
    // The doubt that a share of the last tokens' reach.
    float reached_by(double share);

    const refresh_budget_options options_;
    std::vector<float> doubts_;  // of the last tokens, in a ring
    size_t next_ = 0;
    std::vector<float> sorted_;  // reused
    float threshold_ = 2;
};

}  // namespace overfill
