// With AVX-512: a head of up to 256 values stays in registers from its halves to its bytes.
#include "half_rows.h"

#include <cmath>
#include <cstring>
#include <immintrin.h>

namespace overfill::kernels {
namespace {

constexpr int lanes = 16;
constexpr int block_values = 32;
constexpr int block_bytes = 34;
// Blocks whose largest values are found together.
constexpr int group_blocks = 4;

__m512 load(const std::uint16_t * from) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i *>(from)));
}

__m512 magnitude(__m512 value) { return _mm512_abs_ps(value); }

// Butterflies between neighbours of 1, 2, 4 and 8 lanes, then between vectors. The sums are those that ggml makes, in
// its order: a product with 1 or -1 rounds nothing.
template <int vectors> void rotate(__m512 * row, float scale) {
    const __m512 ones = _mm512_setr_ps(1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1);
    const __m512 twos = _mm512_setr_ps(1, 1, -1, -1, 1, 1, -1, -1, 1, 1, -1, -1, 1, 1, -1, -1);
    const __m512 fours = _mm512_setr_ps(1, 1, 1, 1, -1, -1, -1, -1, 1, 1, 1, 1, -1, -1, -1, -1);
    const __m512 eights = _mm512_setr_ps(1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1, -1);
    for (int i = 0; i < vectors; i++) {
        __m512 x = row[i];
        x = _mm512_fmadd_ps(x, ones, _mm512_permute_ps(x, 0xb1));
        x = _mm512_fmadd_ps(x, twos, _mm512_permute_ps(x, 0x4e));
        x = _mm512_mul_ps(x, _mm512_set1_ps(scale));
        x = _mm512_fmadd_ps(x, fours, _mm512_shuffle_f32x4(x, x, 0xb1));
        row[i] = _mm512_fmadd_ps(x, eights, _mm512_shuffle_f32x4(x, x, 0x4e));
    }
    for (int half = 1; half < vectors; half *= 2)
        for (int i = 0; i < vectors; i++)
            if ((i & half) == 0) {
                const __m512 a = row[i];
                const __m512 b = row[i + half];
                row[i] = _mm512_add_ps(a, b);
                row[i + half] = _mm512_sub_ps(a, b);
            }
}

void store_block(const __m512 * values, float scale, std::uint16_t stored_scale, std::uint8_t * to) {
    std::memcpy(to, &stored_scale, sizeof stored_scale);
    const __m512 by = _mm512_set1_ps(scale);
    for (int i = 0; i < 2; i++) {
        const __m512i whole = _mm512_cvtps_epi32(_mm512_mul_ps(values[i], by));
        _mm_storeu_si128(reinterpret_cast<__m128i *>(to + 2 + lanes * i), _mm512_cvtsepi32_epi8(whole));
    }
}

// The scales of blocks with these largest magnitudes: those that are stored, and those to multiply by.
struct block_scales {
    alignas(16) float multiply[group_blocks];
    alignas(8) std::uint16_t stored[group_blocks];
    explicit block_scales(__m128 largest) {
        const __m128 most = _mm_set1_ps(127.0f);
        const __m128 inverse = _mm_div_ps(most, largest);
        const __m128 is_none = _mm_cmpeq_ps(largest, _mm_setzero_ps());
        _mm_store_ps(multiply, _mm_andnot_ps(is_none, inverse));
        const __m128i halves = _mm_cvtps_ph(_mm_div_ps(largest, most), _MM_FROUND_TO_NEAREST_INT);
        _mm_storel_epi64(reinterpret_cast<__m128i *>(stored), halves);
    }
};

void store_group(const __m512 * values, std::uint8_t * to) {
    __m512 m[group_blocks];
    for (int i = 0; i < group_blocks; i++) m[i] = _mm512_max_ps(magnitude(values[2 * i]), magnitude(values[2 * i + 1]));
    const __m512 low = _mm512_max_ps(_mm512_unpacklo_ps(m[0], m[1]), _mm512_unpackhi_ps(m[0], m[1]));
    const __m512 high = _mm512_max_ps(_mm512_unpacklo_ps(m[2], m[3]), _mm512_unpackhi_ps(m[2], m[3]));
    // In each 128 bits now a quarter's largest of the four blocks.
    const __m512 four = _mm512_max_ps(_mm512_shuffle_ps(low, high, 0x44), _mm512_shuffle_ps(low, high, 0xee));
    const __m256 two = _mm256_max_ps(_mm512_castps512_ps256(four), _mm512_extractf32x8_ps(four, 1));
    const __m128 one = _mm_max_ps(_mm256_castps256_ps128(two), _mm256_extractf128_ps(two, 1));
    const block_scales scales(one);
    for (int i = 0; i < group_blocks; i++)
        store_block(values + 2 * i, scales.multiply[i], scales.stored[i], to + block_bytes * i);
}

void convert_block(const std::uint16_t * from, std::uint8_t * to) {
    const __m512 values[2] = { load(from), load(from + lanes) };
    const float largest = _mm512_reduce_max_ps(_mm512_max_ps(magnitude(values[0]), magnitude(values[1])));
    const block_scales scales(_mm_set1_ps(largest));
    store_block(values, scales.multiply[0], scales.stored[0], to);
}

// `values` at a time, of which `size` (0: none) are rotated together.
template <int values, int size> std::size_t convert(const std::uint16_t * from, std::uint8_t * to, std::size_t n) {
    constexpr int vectors = values / lanes;
    constexpr int per_group = group_blocks * block_values / lanes;
    const float scale = size > 0 ? 1.0f / std::sqrt(float(size)) : 1.0f;
    std::size_t at = 0;
    for (; at + values <= n; at += values) {
        __m512 row[vectors];
        for (int i = 0; i < vectors; i++) row[i] = load(from + at + lanes * i);
        if constexpr (size > 0)
            for (int i = 0; i < vectors; i += size / lanes) rotate<size / lanes>(row + i, scale);
        for (int i = 0; i < vectors; i += per_group)
            store_group(row + i, to + (at + lanes * std::size_t(i)) / block_values * block_bytes);
    }
    return at;
}

}  // namespace

void half_rows_to_q8_0_avx512(const std::uint16_t * from, std::uint8_t * to, std::size_t n, int hadamard) {
    std::size_t at = 0;
    switch (hadamard) {
    case 256: at = convert<256, 256>(from, to, n); break;
    case 128: at = convert<128, 128>(from, to, n); break;
    case 64: at = convert<128, 64>(from, to, n); break;
    default: at = convert<128, 0>(from, to, n);
    }
    if (at == n) return;
    if (hadamard == 64) {
        // One head is left: beside it half a group of nothing, whose bytes are not kept.
        __m512 row[8];
        for (int i = 0; i < 8; i++) row[i] = i < 4 ? load(from + at + lanes * i) : _mm512_setzero_ps();
        rotate<4>(row, 0.125f);
        std::uint8_t bytes[group_blocks * block_bytes];
        store_group(row, bytes);
        std::memcpy(to + at / block_values * block_bytes, bytes, 2 * block_bytes);
        return;
    }
    for (; at < n; at += block_values) convert_block(from + at, to + at / block_values * block_bytes);
}

}  // namespace overfill::kernels
