#include "logits.h"

#include "failure.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

namespace overfill {

namespace {

struct counts {
    int32_t n_broken = 0, n_finite = 0;
    bool good() const { return n_broken == 0 && n_finite > 0; }
};

counts count(const float * logits, int32_t n) {
    // Sums of comparisons and no early end, so that the compiler can use vector instructions.
    constexpr float infinite = std::numeric_limits<float>::infinity();
    counts out;
    for (int32_t i = 0; i < n; i++) {
        out.n_broken += !(logits[i] < infinite);
        out.n_finite += logits[i] > -infinite && logits[i] < infinite;
    }
    return out;
}

}  // namespace

bool are_logits(const float * logits, int32_t n) { return count(logits, n).good(); }

void check_logits(const float * logits, int32_t n, const char * side, size_t n_read) {
    const counts found = count(logits, n);
    if (found.good()) return;
    const int32_t n_broken = found.n_broken;
    const std::string what = n_broken == 0 ? "none" : std::to_string(n_broken);
    throw failure(error_code::inference_failed,
                  what + " of the " + side + " model's logits after " + std::to_string(n_read) + " tokens " +
                      (n_broken == 0   ? "is a finite number"
                       : n_broken == 1 ? "is not finite"
                                       : "are not finite") +
                      "; its weights are broken, or its arithmetic overflows",
                  { { "model", side }, { "position", n_read } });
}

float doubt_of(const float * logits, int32_t n) {
    // Lanes of their own, so that the compiler can use vector instructions.
    constexpr int32_t n_lanes = 8;
    constexpr float none = -std::numeric_limits<float>::infinity();
    float best[n_lanes], second[n_lanes];
    std::fill_n(best, n_lanes, none);
    std::fill_n(second, n_lanes, none);
    const auto see = [&](int32_t lane, float value) {
        const float lower = value < best[lane] ? value : best[lane];
        second[lane] = lower > second[lane] ? lower : second[lane];
        best[lane] = value > best[lane] ? value : best[lane];
    };
    int32_t i = 0;
    for (; i + n_lanes <= n; i += n_lanes)
        for (int32_t lane = 0; lane < n_lanes; lane++) see(lane, logits[i + lane]);
    for (; i < n; i++) see(i % n_lanes, logits[i]);
    for (int32_t lane = 1; lane < n_lanes; lane++) {
        see(0, best[lane]);
        see(0, second[lane]);
    }
    return second[0] == none ? 0 : std::exp(second[0] - best[0]);
}

}  // namespace overfill
