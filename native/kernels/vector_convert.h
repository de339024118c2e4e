// What the leaves of x86 processors have in common. To be included where AVX2 and F16C may be used.
#pragma once

#include <immintrin.h>
#include "extent.h"
#include "weight_format.h"

namespace overfill::kernels {
namespace {

struct x86_convert {
    static float of(half_bits value) { return _cvtsh_ss(value); }
    static half_bits to_half(float value) { return half_bits(_cvtss_sh(value, _MM_FROUND_TO_NEAREST_INT)); }
    static void split_16(const std::uint8_t * nibbles, std::uint8_t * low, std::uint8_t * high) {
        const __m128i both = _mm_loadu_si128(reinterpret_cast<const __m128i *>(nibbles));
        const __m128i mask = _mm_set1_epi8(15);
        _mm_storeu_si128(reinterpret_cast<__m128i *>(low), _mm_and_si128(both, mask));
        _mm_storeu_si128(reinterpret_cast<__m128i *>(high), _mm_and_si128(_mm_srli_epi16(both, 4), mask));
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
