// Rows of a softmax and of its gradient, once for each instruction set that the processor may have.
#pragma once

#include <cstdint>
#include <vector>

namespace overfill {

struct softmax_kernel {
    const char * name;
    // p = softmax(factor * p + mask), in place; a mask of -infinity gives exactly 0. Not all of them may be masked.
    void (*forward)(float * p, const float * mask, float factor, int64_t n);
    // The gradient d of p becomes that of what the factor multiplied: factor * p * (d - sum of p * d), in place.
    void (*backward)(const float * p, float * d, float factor, int64_t n);
};

// Those that run here, the fastest first.
const std::vector<softmax_kernel> & softmax_kernels();

}  // namespace overfill
