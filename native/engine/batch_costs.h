// What it costs to read so many tokens in one batch, be they of one sequence or of several, as measured: whether it
// pays to read several sequences' at once depends on the processor's kernels. Some take more than twice as long for a
// batch of two as for one token, and gain from eight on.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace overfill {

class batch_costs {
  public:
    void saw(size_t n_tokens, double milliseconds) {
        if (n_tokens >= ms_.size()) ms_.resize(n_tokens + 1, 0);
        double & ms = ms_[n_tokens];
        ms = ms == 0 ? milliseconds : ms + (milliseconds - ms) / 4;
    }

    // Whether the rows, of so many tokens each, cost less together, as n tokens, than one by one. What was never
    // measured is tried, and where it did not pay it is tried again now and then: costs change with the length of
    // contexts and with what else the machine does.
    bool pays(size_t n, const std::vector<uint32_t> & rows) {
        double alone = 0;
        for (const uint32_t one : rows) {
            if (!knows(one)) return true;
            alone += ms_[one];
        }
        if (!knows(n) || ms_[n] < alone) return true;
        return ++n_refused_ % 64 == 0;
    }

    // Of so many tokens, or of the most below that were measured; 0: nothing was.
    double at_least(size_t n_tokens) const {
        for (size_t n = std::min(n_tokens + 1, ms_.size()); n-- > 0;)
            if (ms_[n] > 0) return ms_[n];
        return 0;
    }

  private:
    bool knows(size_t n) const { return n < ms_.size() && ms_[n] > 0; }

    std::vector<double> ms_;  // by the number of tokens; 0: not measured
    uint64_t n_refused_ = 0;
};

}  // namespace overfill
