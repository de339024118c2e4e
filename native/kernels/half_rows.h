// Rows of half-precision numbers as rows of q8_0, each block of 32 values in one pass through registers. That is what a
// cache of halves becomes where the one that goes on is quantised. The bits are those of ggml's kernels for x86.
#pragma once

#include <cstddef>
#include <cstdint>

namespace overfill::kernels {

// Writes 34 bytes for each 32 of `n` values. `hadamard`: 0, or 64, 128 or 256: so many values at a time are multiplied
// by the orthonormal Walsh-Hadamard matrix first. `n` is a multiple of 32 and of `hadamard`.
using half_rows_to_q8_0 = void (*)(const std::uint16_t * from, std::uint8_t * to, std::size_t n, int hadamard);

// Each to be called only where its instructions are: a leaf has the one that fits.
void half_rows_to_q8_0_avx512(const std::uint16_t * from, std::uint8_t * to, std::size_t n, int hadamard);
void half_rows_to_q8_0_avx2(const std::uint16_t * from, std::uint8_t * to, std::size_t n, int hadamard);

}  // namespace overfill::kernels
