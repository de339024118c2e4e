#include "logits.h"

#include "failure.h"

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

}  // namespace overfill
