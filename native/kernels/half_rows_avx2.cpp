// With AVX2: 64 values at a time in registers, what is larger through a buffer that stays in the first-level cache.
#include "half_rows.h"

#include <cmath>
#include <cstring>
#include <immintrin.h>

namespace overfill::kernels {
namespace {

constexpr int lanes = 8;
constexpr int block_values = 32;
constexpr int block_bytes = 34;
constexpr int most_values = 256;

__m256 load(const std::uint16_t * from) {
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i *>(from)));
}

// 64 values, in the order in which ggml adds them. A product with 1 or -1 rounds nothing.
void rotate_64(__m256 * row, float scale) {
    const __m256 ones = _mm256_setr_ps(1, -1, 1, -1, 1, -1, 1, -1);
    const __m256 twos = _mm256_setr_ps(1, 1, -1, -1, 1, 1, -1, -1);
    const __m256 fours = _mm256_setr_ps(1, 1, 1, 1, -1, -1, -1, -1);
    for (int i = 0; i < 8; i++) {
        __m256 x = row[i];
        x = _mm256_fmadd_ps(x, ones, _mm256_permute_ps(x, 0xb1));
        x = _mm256_fmadd_ps(x, twos, _mm256_permute_ps(x, 0x4e));
        x = _mm256_mul_ps(x, _mm256_set1_ps(scale));
        row[i] = _mm256_fmadd_ps(x, fours, _mm256_permute2f128_ps(x, x, 1));
    }
    for (int half = 1; half < 8; half *= 2)
        for (int i = 0; i < 8; i++)
            if ((i & half) == 0) {
                const __m256 a = row[i];
                const __m256 b = row[i + half];
                row[i] = _mm256_add_ps(a, b);
                row[i + half] = _mm256_sub_ps(a, b);
            }
}

void store_block(const __m256 * v, std::uint8_t * to) {
    const __m256 sign = _mm256_set1_ps(-0.0f);
    __m256 most = _mm256_andnot_ps(sign, v[0]);
    for (int i = 1; i < 4; i++) most = _mm256_max_ps(most, _mm256_andnot_ps(sign, v[i]));
    __m128 four = _mm_max_ps(_mm256_extractf128_ps(most, 1), _mm256_castps256_ps128(most));
    four = _mm_max_ps(four, _mm_movehl_ps(four, four));
    const float largest = _mm_cvtss_f32(_mm_max_ss(four, _mm_movehdup_ps(four)));
    const int scale = _mm_cvtsi128_si32(_mm_cvtps_ph(_mm_set_ss(largest / 127.0f), _MM_FROUND_TO_NEAREST_INT));
    const std::uint16_t stored = std::uint16_t(scale);
    std::memcpy(to, &stored, sizeof stored);
    const __m256 by = _mm256_set1_ps(largest != 0.0f ? 127.0f / largest : 0.0f);
    __m256i whole[4];
    for (int i = 0; i < 4; i++) whole[i] = _mm256_cvtps_epi32(_mm256_mul_ps(v[i], by));
    const __m256i low = _mm256_packs_epi32(whole[0], whole[1]);
    const __m256i high = _mm256_packs_epi32(whole[2], whole[3]);
    // Packing works on each half of 128 bits by itself.
    const __m256i in_order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    const __m256i bytes = _mm256_permutevar8x32_epi32(_mm256_packs_epi16(low, high), in_order);
    _mm256_storeu_si256(reinterpret_cast<__m256i *>(to + 2), bytes);
}

void convert_rotated(const std::uint16_t * from, std::uint8_t * to, int size, float scale) {
    alignas(32) float values[most_values];
    for (int at = 0; at < size; at += 64) {
        __m256 row[8];
        for (int i = 0; i < 8; i++) row[i] = load(from + at + lanes * i);
        rotate_64(row, scale);
        if (size == 64) {
            store_block(row, to);
            store_block(row + 4, to + block_bytes);
            return;
        }
        for (int i = 0; i < 8; i++) _mm256_store_ps(values + at + lanes * i, row[i]);
    }
    for (int half = 64; half < size; half *= 2)
        for (int at = 0; at < size; at += 2 * half)
            for (int i = at; i < at + half; i += lanes) {
                const __m256 a = _mm256_load_ps(values + i);
                const __m256 b = _mm256_load_ps(values + i + half);
                _mm256_store_ps(values + i, _mm256_add_ps(a, b));
                _mm256_store_ps(values + i + half, _mm256_sub_ps(a, b));
            }
    for (int at = 0; at < size; at += block_values) {
        __m256 row[4];
        for (int i = 0; i < 4; i++) row[i] = _mm256_load_ps(values + at + lanes * i);
        store_block(row, to + at / block_values * block_bytes);
    }
}

}  // namespace

void half_rows_to_q8_0_avx2(const std::uint16_t * from, std::uint8_t * to, std::size_t n, int hadamard) {
    if (hadamard > 0) {
        const float scale = 1.0f / std::sqrt(float(hadamard));
        for (std::size_t at = 0; at < n; at += std::size_t(hadamard))
            convert_rotated(from + at, to + at / block_values * block_bytes, hadamard, scale);
        return;
    }
    for (std::size_t at = 0; at < n; at += block_values) {
        __m256 row[4];
        for (int i = 0; i < 4; i++) row[i] = load(from + at + lanes * std::size_t(i));
        store_block(row, to + at / block_values * block_bytes);
    }
}

}  // namespace overfill::kernels
