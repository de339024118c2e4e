// Rows of values, a vector at a time: what kernels over rows have in common. Vectors come and go by reference: by value
// they would be of another calling convention on each processor.
//
// The exponential function is Cody and Waite's: x = n ln 2 + r with |r| <= ln 2 / 2, a polynomial of r of degree 6, and
// n added to its exponent. It is within 2 units in the last place.
#pragma once

#include "vector_lanes.h"

#include <algorithm>
#include <cmath>

namespace overfill {

#if defined(__GNUC__)

// x <= 0 becomes its exponential; below -87 that is 0. No number stays none.
template <int lanes> OVERFILL_INLINE void exponentiate(typename lanes_of<lanes>::type & x) {
    using vector = typename lanes_of<lanes>::type;
    using bits = typename lanes_of<lanes>::bits;
    const bits in_range = ~(bits) (x <= -87.0f);
    // Added to a number of less than 2^22, this leaves its nearest whole number in the lowest bits.
    constexpr float whole = 12582912.0f;
    const vector shifted = x * 1.44269504f + whole;
    const vector n = shifted - whole;
    const vector r = (x - n * 0.693145751953125f) - n * 1.42860682e-6f;
    vector y = r * 1.38888889e-3f + 8.33333333e-3f;
    y = y * r + 4.16666667e-2f;
    y = y * r + 1.66666667e-1f;
    y = y * r + 0.5f;
    y = y * r + 1.0f;
    y = y * r + 1.0f;
    x = (vector) (((bits) y + ((bits) shifted << 23)) & in_range);
}

// The last vector of a row, of which n values are left, is filled up with `rest`, and written as far as the row goes.
template <int lanes>
OVERFILL_INLINE void load(const float * from, int64_t n, float rest, typename lanes_of<lanes>::type & to) {
    using vector = typename lanes_of<lanes>::type;
    if (n >= lanes) {
        to = *reinterpret_cast<const vector *>(from);
        return;
    }
    float values[lanes];
    for (int i = 0; i < lanes; i++) values[i] = i < n ? from[i] : rest;
    to = *reinterpret_cast<const vector *>(values);
}
template <int lanes> OVERFILL_INLINE void store(const typename lanes_of<lanes>::type & value, float * to, int64_t n) {
    using vector = typename lanes_of<lanes>::type;
    if (n >= lanes) {
        *reinterpret_cast<vector *>(to) = value;
        return;
    }
    for (int i = 0; i < n; i++) to[i] = value[i];
}

template <int lanes> OVERFILL_INLINE float sum_of(const typename lanes_of<lanes>::type & values) {
    float sum = 0;
    for (int i = 0; i < lanes; i++) sum += values[i];
    return sum;
}

template <int lanes>
OVERFILL_INLINE void keep_larger(typename lanes_of<lanes>::type & most, const typename lanes_of<lanes>::type & x) {
    using bits = typename lanes_of<lanes>::bits;
    const bits larger = (bits) (x > most);
    most = (typename lanes_of<lanes>::type)(((bits) x & larger) | ((bits) most & ~larger));
}
template <int lanes> OVERFILL_INLINE float largest_of(const typename lanes_of<lanes>::type & values) {
    float largest = values[0];
    for (int i = 1; i < lanes; i++) largest = std::max(largest, (float) values[i]);
    return largest;
}

#endif

}  // namespace overfill
