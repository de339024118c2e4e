// How often values of which size came, as Prometheus keeps it: fixed upper bounds with a count each, one more for what
// is above all of them, and the sum.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

namespace overfill {

struct histogram_counts {
    std::vector<double> bounds;    // ascending; a value counts with the first bound that is not below it
    std::vector<uint64_t> counts;  // one for each bound and one for what is above the last; not cumulative
    double sum = 0;
    uint64_t count = 0;
};

class histogram {
  public:
    // `bounds` ascend.
    explicit histogram(std::vector<double> bounds);

    // Any thread; takes neither a lock nor memory.
    void add(double value) noexcept;

    // Any thread. `count` is always that of `counts`; the sum may be a value ahead of them or behind, one that is added
    // at this moment.
    histogram_counts read() const;

  private:
    const std::vector<double> bounds_;
    std::vector<std::atomic<uint64_t>> counts_;
    std::atomic<double> sum_{ 0 };
};

}  // namespace overfill
