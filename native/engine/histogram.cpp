#include "histogram.h"

#include <algorithm>
#include <utility>

namespace overfill {

histogram::histogram(std::vector<double> bounds) : bounds_(std::move(bounds)), counts_(bounds_.size() + 1) {}

void histogram::add(double value) noexcept {
    const auto bound = std::lower_bound(bounds_.begin(), bounds_.end(), value);
    counts_[(size_t) (bound - bounds_.begin())].fetch_add(1, std::memory_order_relaxed);
    // There is no fetch_add for doubles before C++20.
    double sum = sum_.load(std::memory_order_relaxed);
    while (!sum_.compare_exchange_weak(sum, sum + value, std::memory_order_relaxed)) {
    }
}

histogram_counts histogram::read() const {
    histogram_counts out;
    out.bounds = bounds_;
    out.sum = sum_.load(std::memory_order_relaxed);
    for (const auto & counted : counts_) {
        out.counts.push_back(counted.load(std::memory_order_relaxed));
        out.count += out.counts.back();
    }
    return out;
}

}  // namespace overfill
