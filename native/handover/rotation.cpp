#include "rotation.h"

#include "vectorized.h"

#include <cmath>

namespace overfill {

rotation::rotation(const rope_parameters & rope, direction which) : adjacent_(rope.adjacent()) {
    const rope_frequencies f = frequencies_of(rope);
    const bool back = which == direction::back;
    for (const double angle : f.angles) angles_.push_back(back ? -angle : angle);
    magnitude_ = back ? 1.0 / f.magnitude : f.magnitude;
}

bool rotation::joinable(const rope_parameters & a, const rope_parameters & b) {
    return !a.none() && !b.none() && a.adjacent() == b.adjacent() && a.n_dims == b.n_dims;
}

rotation::rotation(const rope_parameters & from, const rope_parameters & to) : adjacent_(to.adjacent()) {
    const rope_frequencies a = frequencies_of(from), b = frequencies_of(to);
    for (size_t i = 0; i < b.angles.size(); i++) angles_.push_back(b.angles[i] - a.angles[i]);
    magnitude_ = b.magnitude / a.magnitude;
}

void rotation::fill(llama_pos position, float * table) const {
    const uint32_t n = n_pairs();
    for (uint32_t i = 0; i < n; i++) {
        const double angle = angles_[i] * position;
        table[i] = (float) (std::cos(angle) * magnitude_);
        table[n + i] = (float) (std::sin(angle) * magnitude_);
    }
}

// Free functions, so that they can be compiled for several instruction sets.
OVERFILL_VECTORIZED static void turn_halves(const float * c, const float * s, uint32_t n, float * row, uint32_t n_head,
                                            uint32_t head_size) {
    for (uint32_t h = 0; h < n_head; h++) {
        float *x = row + (size_t) h * head_size, *y = x + n;
        for (uint32_t i = 0; i < n; i++) {
            const float a = x[i], b = y[i];
            x[i] = a * c[i] - b * s[i];
            y[i] = a * s[i] + b * c[i];
        }
    }
}

OVERFILL_VECTORIZED static void turn_neighbours(const float * c, const float * s, uint32_t n, float * row,
                                                uint32_t n_head, uint32_t head_size) {
    for (uint32_t h = 0; h < n_head; h++) {
        float * x = row + (size_t) h * head_size;
        for (uint32_t i = 0; i < n; i++) {
            const float a = x[2 * i], b = x[2 * i + 1];
            x[2 * i] = a * c[i] - b * s[i];
            x[2 * i + 1] = a * s[i] + b * c[i];
        }
    }
}

void rotation::apply(const float * table, float * row, uint32_t n_head, uint32_t head_size) const {
    const uint32_t n = n_pairs();
    (adjacent_ ? turn_neighbours : turn_halves)(table, table + n, n, row, n_head, head_size);
}

namespace {

// Blocks of 64 are done in registers: a row of eight vectors, in which half of the butterflies are between vectors and
// half within them.
constexpr uint32_t base_size = 64;

#ifdef OVERFILL_HAS_SHUFFLE
OVERFILL_VECTORIZED void rotate_base(float * values, uint32_t n, float scale) {
    typedef float lanes __attribute__((vector_size(32)));
    typedef float unaligned_lanes __attribute__((vector_size(32), aligned(4), may_alias));
    const lanes ones = { 1, -1, 1, -1, 1, -1, 1, -1 }, twos = { 1, 1, -1, -1, 1, 1, -1, -1 },
                fours = { scale, scale, scale, scale, -scale, -scale, -scale, -scale };
    for (uint32_t at = 0; at < n; at += base_size) {
        unaligned_lanes * row = (unaligned_lanes *) (values + at);
        lanes r[8];
        // Unrolled, so that the eight vectors live in registers.
#pragma GCC unroll 8
        for (int i = 0; i < 8; i++) {
            lanes x = row[i];
            x = __builtin_shufflevector(x, x, 1, 0, 3, 2, 5, 4, 7, 6) + x * ones;
            x = __builtin_shufflevector(x, x, 2, 3, 0, 1, 6, 7, 4, 5) + x * twos;
            r[i] = __builtin_shufflevector(x, x, 4, 5, 6, 7, 0, 1, 2, 3) * scale + x * fours;
        }
#pragma GCC unroll 3
        for (int half = 1; half < 8; half *= 2)
#pragma GCC unroll 8
            for (int i = 0; i < 8; i++)
                if ((i & half) == 0) {
                    const lanes a = r[i], b = r[i + half];
                    r[i] = a + b;
                    r[i + half] = a - b;
                }
#pragma GCC unroll 8
        for (int i = 0; i < 8; i++) row[i] = r[i];
    }
}
#else
void rotate_base(float * values, uint32_t n, float scale) {
    for (uint32_t at = 0; at < n; at += base_size) {
        float * x = values + at;
        for (uint32_t half = 1; half < base_size; half *= 2)
            for (uint32_t i = 0; i < base_size; i += 2 * half)
                for (uint32_t j = i; j < i + half; j++) {
                    const float a = x[j], b = x[j + half];
                    x[j] = a + b;
                    x[j + half] = a - b;
                }
        for (uint32_t i = 0; i < base_size; i++) x[i] *= scale;
    }
}
#endif

// The butterflies between blocks of `half` values, for blocks of twice that.
OVERFILL_VECTORIZED void join_blocks(float * values, uint32_t n, uint32_t half) {
    for (uint32_t at = 0; at < n; at += 2 * half) {
        float *x = values + at, *y = x + half;
        for (uint32_t i = 0; i < half; i++) {
            const float a = x[i], b = y[i];
            x[i] = a + b;
            y[i] = a - b;
        }
    }
}

}  // namespace

void hadamard_rotate(float * values, uint32_t n, uint32_t size) {
    rotate_base(values, n, 1.0f / std::sqrt((float) size));
    for (uint32_t half = base_size; half < size; half *= 2) join_blocks(values, n, half);
}

}  // namespace overfill
