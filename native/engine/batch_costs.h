// What it costs to read one token of each of n sequences at once, as measured: whether that pays depends on the
// processor's kernels. Some take more than twice as long for a batch of two as for one token, and gain from eight on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace overfill {

class batch_costs {
  public:
    void saw(size_t n_rows, double milliseconds) {
        if (n_rows >= ms_.size()) ms_.resize(n_rows + 1, 0);
        double & ms = ms_[n_rows];
        ms = ms == 0 ? milliseconds : ms + (milliseconds - ms) / 4;
    }

    // Whether n rows cost less together than one by one. What was never measured is tried, and where it did not pay it
    // is tried again now and then: costs change with the length of contexts and with what else the machine does.
    bool pays(size_t n_rows) {
        if (n_rows >= ms_.size() || ms_[1] == 0 || ms_[n_rows] == 0) return true;
        if (ms_[n_rows] < (double) n_rows * ms_[1]) return true;
        return ++n_refused_ % 64 == 0;
    }

  private:
    std::vector<double> ms_;  // by the number of rows; 0: not measured
    uint64_t n_refused_ = 0;
};

}  // namespace overfill
