// The learning rate over the steps of a run.
#pragma once

#include <cstdint>

namespace overfill {

enum class rate_schedule { constant, linear, cosine };

struct learning_rate {
    double peak = 2e-5;
    rate_schedule schedule = rate_schedule::cosine;
    double warm_up = 0.01;  // share of the steps in which the rate grows from 0 to its peak, in equal parts
    double floor = 0;       // share of the peak that the rate ends at; not for a constant one

    // Of step 0 to n_steps - 1. The first step of a warm-up is not at 0, and the step behind the warm-up is at the
    // peak.
    double at(uint64_t step, uint64_t n_steps) const;
};

}  // namespace overfill
