// A product of weights with rows of activations, shared out among the threads of a team that somebody else owns.
#pragma once

#include "leaf.h"

#include <cstddef>
#include <cstdint>

namespace overfill::kernels {

// out[column][row] = weights[row] . x[column], with columns in up to three dimensions, as ggml's tensors have them.
struct weight_product {
    weight_type type = weight_type::q8_0;
    const std::uint8_t * weights = nullptr;
    std::size_t row_stride = 0;
    int rows = 0;
    int elements = 0;
    const std::uint8_t * x = nullptr;
    // Columns of each dimension, and bytes between them.
    int counts[3] = { 1, 1, 1 };
    std::size_t strides[3] = { 0, 0, 0 };
    float * out = nullptr;
    // In floats.
    std::size_t out_stride = 0;

    int columns() const { return counts[0] * counts[1] * counts[2]; }
    const float * column(int index) const {
        const int i = index % counts[0];
        const int j = index / counts[0] % counts[1];
        const int k = index / counts[0] / counts[1];
        return reinterpret_cast<const float *>(x + i * strides[0] + j * strides[1] + k * strides[2]);
    }
};

// The thread that calls, one of `size`, all of which call with the same product.
struct team_member {
    int index = 0;
    int size = 1;
    // Returns when all have come to it. What one has written before, all see behind it.
    void (*wait)(void * team) = nullptr;
    // Sets the team's counter; the next one who asks gets `value`, then comes `value` + 1.
    void (*set_next)(void * team, int value) = nullptr;
    int (*take_next)(void * team) = nullptr;
    void * team = nullptr;
};

// Whether the type's blocks fill rows of so many elements.
bool fits(weight_type type, std::int64_t elements);

std::size_t work_bytes(const leaf & by, weight_type type, std::int64_t elements, std::int64_t columns, int threads);

// @param work  work_bytes of memory, the same for all members; no alignment is asked for
void multiply(const leaf & by, const weight_product & product, const team_member & member, void * work);

}  // namespace overfill::kernels
