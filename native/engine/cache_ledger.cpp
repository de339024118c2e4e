#include "cache_ledger.h"

#include <algorithm>

namespace overfill {

const cache_ledger::run & cache_ledger::run_of(uint32_t i) const {
    return *std::upper_bound(runs_.begin(), runs_.end(), i, [](uint32_t at, const run & r) { return at < r.end; });
}

uint32_t cache_ledger::n_alike(const cache_ledger & other) const {
    uint32_t n = 0;
    for (size_t i = 0; i < std::min(runs_.size(), other.runs_.size()); i++) {
        if (runs_[i].by != other.runs_[i].by) break;
        n = std::min(runs_[i].end, other.runs_[i].end);
        if (runs_[i].end != other.runs_[i].end) break;
    }
    return n;
}

void cache_ledger::append(uint32_t n, pair_side by) {
    if (n == 0) return;
    const uint32_t end = size() + n;
    if (!runs_.empty() && runs_.back().by == by)
        runs_.back().end = end;
    else
        runs_.push_back({ end, by });
}

void cache_ledger::make_room() {
    static constexpr size_t n_least = 4;
    if (runs_.size() == runs_.capacity()) runs_.reserve(std::max(n_least, 2 * runs_.size()));
}

void cache_ledger::truncate(uint32_t n) {
    while (!runs_.empty() && (runs_.size() > 1 ? runs_[runs_.size() - 2].end : 0) >= n) runs_.pop_back();
    if (!runs_.empty()) runs_.back().end = std::min(runs_.back().end, n);
}

}  // namespace overfill
