// Rotations of rows of heads: by RoPE, and by the Hadamard matrix with which quantised caches spread outliers.
#pragma once

#include "rope_parameters.h"

#include <cstdint>
#include <vector>

namespace overfill {

// RoPE in one direction, or the difference of two of them: both turn the same pairs by an angle that is proportional to
// the position, so that undoing one and doing another is a single turn.
class rotation {
  public:
    enum class direction { forward, back };
    rotation(const rope_parameters & rope, direction which);
    // From one encoding to another of the same pairs; see `joinable`.
    rotation(const rope_parameters & from, const rope_parameters & to);
    static bool joinable(const rope_parameters & a, const rope_parameters & b);

    uint32_t n_pairs() const { return (uint32_t) angles_.size(); }
    const std::vector<double> & angles() const { return angles_; }  // of every pair, a position
    double magnitude() const { return magnitude_; }
    bool adjacent() const { return adjacent_; }

    // Cosine and sine, times the magnitude, of every pair at a position: `table` is [2 * n_pairs], cosines first.
    void fill(llama_pos position, float * table) const;
    // Turns every head of the row in place.
    void apply(const float * table, float * row, uint32_t n_head, uint32_t head_size) const;

  private:
    std::vector<double> angles_;
    double magnitude_ = 1.0;
    bool adjacent_ = false;
};

// Multiplies blocks of `size` values (a power of two, at least 64) by the orthonormal Walsh-Hadamard matrix, which is
// its own inverse.
void hadamard_rotate(float * values, uint32_t n, uint32_t size);

}  // namespace overfill
