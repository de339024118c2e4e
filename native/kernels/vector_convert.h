// What the leaves of x86 processors have in common. To be included where AVX2 and F16C may be used.
#pragma once

#include "extent.h"
#include "weight_format.h"

#include <immintrin.h>

namespace overfill::kernels {
namespace {

struct x86_convert {
    static float of(half_bits value) { return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(value))); }
    static half_bits to_half(float value) {
        return half_bits(_mm_cvtsi128_si32(_mm_cvtps_ph(_mm_set_ss(value), _MM_FROUND_TO_NEAREST_INT)));
    }
    static void split_16(const std::uint8_t * nibbles, std::uint8_t * low, std::uint8_t * high) {
        const __m128i both = _mm_loadu_si128(reinterpret_cast<const __m128i *>(nibbles));
        const __m128i mask = _mm_set1_epi8(15);
        _mm_storeu_si128(reinterpret_cast<__m128i *>(low), _mm_and_si128(both, mask));
        _mm_storeu_si128(reinterpret_cast<__m128i *>(high), _mm_and_si128(_mm_srli_epi16(both, 4), mask));
    }
    static __m256i load_32(const std::uint8_t * from) {
        return _mm256_loadu_si256(reinterpret_cast<const __m256i *>(from));
    }
    static void store_32(std::uint8_t * to, __m256i value) {
        _mm256_storeu_si256(reinterpret_cast<__m256i *>(to), value);
    }
    static __m256i either(__m256i a, __m256i b) { return _mm256_or_si256(a, b); }
    // Of each byte the bits of `mask` behind `shift`, put at `up`. What comes over from a neighbour is masked away.
    static __m256i bits(__m256i from, int shift, int mask, int up) {
        const __m256i low = _mm256_srl_epi16(from, _mm_cvtsi32_si128(shift));
        return _mm256_sll_epi16(_mm256_and_si256(low, _mm256_set1_epi8(char(mask))), _mm_cvtsi32_si128(up));
    }
    // 16 bytes of two nibbles: the low ones first.
    static void look_up(const std::uint8_t * table, const std::uint8_t * nibbles, std::uint8_t * to) {
        const __m128i values = _mm_loadu_si128(reinterpret_cast<const __m128i *>(table));
        const __m128i both = _mm_loadu_si128(reinterpret_cast<const __m128i *>(nibbles));
        const __m128i mask = _mm_set1_epi8(15);
        const __m128i low = _mm_and_si128(both, mask);
        const __m128i high = _mm_and_si128(_mm_srli_epi16(both, 4), mask);
        _mm_storeu_si128(reinterpret_cast<__m128i *>(to), _mm_shuffle_epi8(values, low));
        _mm_storeu_si128(reinterpret_cast<__m128i *>(to + 16), _mm_shuffle_epi8(values, high));
    }
};

}  // namespace
}  // namespace overfill::kernels
