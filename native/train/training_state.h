// Where a training stands between two steps, without its weights.
#pragma once

#include "example_stream.h"
#include "heal.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

namespace overfill {

struct training_state {
    uint64_t n_steps = 0;
    uint64_t n_examples = 0, n_tokens = 0;  // trained on; tokens that were asked for
    uint64_t log_bytes = 0;
    stream_state data;
    std::vector<double> losses;  // of every step
    std::vector<evaluation> evaluations;

    // The evaluation with the least loss, of equal ones the first; -1: none yet.
    int64_t best_evaluation() const {
        const auto less = [](const evaluation & a, const evaluation & b) { return a.loss < b.loss; };
        return evaluations.empty()
                   ? -1
                   : std::min_element(evaluations.begin(), evaluations.end(), less) - evaluations.begin();
    }
    uint64_t n_evaluations_since_best() const {
        return (uint64_t) ((int64_t) evaluations.size() - 1 - best_evaluation());
    }
    bool evaluated() const { return !evaluations.empty() && evaluations.back().step == n_steps; }
};

}  // namespace overfill
