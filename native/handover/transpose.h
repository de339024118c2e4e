// Turns a tile of values: rows become columns. The squares it is made of are turned in registers.
#pragma once

#include "vectorized.h"

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace overfill {

// to[c * to_stride + r] = from[r * from_stride + c] for n_rows x n_columns values; strides in values.
template <class Value>
void transpose_plain(const Value * from, size_t from_stride, Value * to, size_t to_stride, uint32_t n_rows,
                     uint32_t n_columns) {
    for (uint32_t c = 0; c < n_columns; c++)
        for (uint32_t r = 0; r < n_rows; r++) to[c * to_stride + r] = from[r * from_stride + c];
}

#ifdef OVERFILL_HAS_SHUFFLE
// A square of 16-byte rows: eight by eight 16-bit values, four by four 32-bit ones.
inline void transpose_square(const uint16_t * from, size_t from_stride, uint16_t * to, size_t to_stride) {
    typedef uint16_t lanes __attribute__((vector_size(16)));
    lanes a[8], b[8];
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) std::memcpy(&a[i], from + i * from_stride, sizeof a[i]);
        // Three rounds, in each of which rows four apart are interleaved: the bits of the index move round by one.
#pragma GCC unroll 3
    for (int round = 0; round < 3; round++) {
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) {
            b[2 * i] = __builtin_shufflevector(a[i], a[i + 4], 0, 8, 1, 9, 2, 10, 3, 11);
            b[2 * i + 1] = __builtin_shufflevector(a[i], a[i + 4], 4, 12, 5, 13, 6, 14, 7, 15);
        }
#pragma GCC unroll 8
        for (int i = 0; i < 8; i++) a[i] = b[i];
    }
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) std::memcpy(to + i * to_stride, &a[i], sizeof a[i]);
}

inline void transpose_square(const uint32_t * from, size_t from_stride, uint32_t * to, size_t to_stride) {
    typedef uint32_t lanes __attribute__((vector_size(16)));
    lanes a[4], b[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) std::memcpy(&a[i], from + i * from_stride, sizeof a[i]);
#pragma GCC unroll 2
    for (int round = 0; round < 2; round++) {
#pragma GCC unroll 2
        for (int i = 0; i < 2; i++) {
            b[2 * i] = __builtin_shufflevector(a[i], a[i + 2], 0, 4, 1, 5);
            b[2 * i + 1] = __builtin_shufflevector(a[i], a[i + 2], 2, 6, 3, 7);
        }
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) a[i] = b[i];
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) std::memcpy(to + i * to_stride, &a[i], sizeof a[i]);
}
#endif

template <class Value>
void transpose(const Value * from, size_t from_stride, Value * to, size_t to_stride, uint32_t n_rows,
               uint32_t n_columns) {
#ifdef OVERFILL_HAS_SHUFFLE
    constexpr uint32_t side = 16 / sizeof(Value);
    const uint32_t whole_rows = n_rows / side * side, whole_columns = n_columns / side * side;
    for (uint32_t r = 0; r < whole_rows; r += side)
        for (uint32_t c = 0; c < whole_columns; c += side)
            transpose_square(from + r * from_stride + c, from_stride, to + c * to_stride + r, to_stride);
    // What is left at the right and at the bottom.
    transpose_plain(from + whole_columns, from_stride, to + whole_columns * to_stride, to_stride, whole_rows,
                    n_columns - whole_columns);
    transpose_plain(from + whole_rows * from_stride, from_stride, to + whole_rows, to_stride, n_rows - whole_rows,
                    n_columns);
#else
    transpose_plain(from, from_stride, to, to_stride, n_rows, n_columns);
#endif
}

}  // namespace overfill
