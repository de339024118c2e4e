#include "learning_rate.h"

#include <algorithm>
#include <cmath>

namespace overfill {

double learning_rate::at(uint64_t step, uint64_t n_steps) const {
    const uint64_t n_warm_up = (uint64_t) std::ceil(warm_up * (double) n_steps);
    if (step < n_warm_up) return peak * (double) (step + 1) / (double) (n_warm_up + 1);
    if (schedule == rate_schedule::constant) return peak;
    // From 0 at the first step behind the warm-up to 1 where the run has ended.
    const uint64_t n_rest = std::max<uint64_t>(n_steps - std::min(n_warm_up, n_steps), 1);
    const double done = std::min(1.0, (double) (step - n_warm_up) / (double) n_rest);
    const double pi = std::acos(-1.0);
    const double share = schedule == rate_schedule::linear ? 1 - done : 0.5 * (1 + std::cos(pi * done));
    return peak * (floor + (1 - floor) * share);
}

}  // namespace overfill
