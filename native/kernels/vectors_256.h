// Vectors of 256 bits, for AVX2 alone and with VNNI: `Dot` multiplies bytes and adds each four products to a sum.
#pragma once

#include "leaf_template.h"
#include "vector_convert.h"

#include <immintrin.h>

namespace overfill::kernels {
namespace {

template <typename Dot> struct vectors_256 {
    static constexpr int lanes = 8;
    static constexpr int row_vectors = 1;
    static constexpr int columns = 4;
    using ints = __m256i;
    using floats = __m256;
    using convert = x86_convert;

    static floats zero() { return _mm256_setzero_ps(); }
    static floats load(const float * from) { return _mm256_loadu_ps(from); }
    static void store(float * to, floats value) { _mm256_storeu_ps(to, value); }
    static floats broadcast(float value) { return _mm256_set1_ps(value); }
    static ints broadcast(std::int32_t value) { return _mm256_set1_epi32(value); }
    static ints load_bytes(const std::uint8_t * from) {
        return _mm256_loadu_si256(reinterpret_cast<const __m256i *>(from));
    }
    static ints broadcast_bytes(const std::int8_t * from) {
        std::int32_t four;
        std::memcpy(&four, from, 4);
        return _mm256_set1_epi32(four);
    }
    static ints dot(ints sum, ints w, ints x) { return Dot::add(sum, w, x); }
    static floats to_floats(ints value) { return _mm256_cvtepi32_ps(value); }
    static floats multiply(floats a, floats b) { return _mm256_mul_ps(a, b); }
    static floats multiply_add(floats a, floats b, floats sum) { return _mm256_fmadd_ps(a, b, sum); }
    static floats subtract_product(floats a, floats b, floats from) { return _mm256_fnmadd_ps(a, b, from); }
    static void prefetch(const std::uint8_t * at) { _mm_prefetch(reinterpret_cast<const char *>(at), _MM_HINT_T1); }

    static void transpose(const std::uint8_t * from, int stride, std::uint8_t * to, int to_stride) {
        __m256i a[8];
        __m256i b[8];
        for (int i = 0; i < 8; i++) a[i] = load_bytes(from + i * stride);
        for (int i = 0; i < 4; i++) {
            b[2 * i] = _mm256_unpacklo_epi32(a[2 * i], a[2 * i + 1]);
            b[2 * i + 1] = _mm256_unpackhi_epi32(a[2 * i], a[2 * i + 1]);
        }
        for (int i = 0; i < 2; i++) {
            a[4 * i] = _mm256_unpacklo_epi64(b[4 * i], b[4 * i + 2]);
            a[4 * i + 1] = _mm256_unpackhi_epi64(b[4 * i], b[4 * i + 2]);
            a[4 * i + 2] = _mm256_unpacklo_epi64(b[4 * i + 1], b[4 * i + 3]);
            a[4 * i + 3] = _mm256_unpackhi_epi64(b[4 * i + 1], b[4 * i + 3]);
        }
        // a[4 i + j]: in each 128 bits the quad j of rows 4 i to 4 i + 3; in the next 128 bits quad 4 + j.
        for (int j = 0; j < 4; j++) {
            const __m256i low = _mm256_permute2x128_si256(a[j], a[4 + j], 0x20);
            const __m256i high = _mm256_permute2x128_si256(a[j], a[4 + j], 0x31);
            _mm256_storeu_si256(reinterpret_cast<__m256i *>(to + std::size_t(j) * to_stride), low);
            _mm256_storeu_si256(reinterpret_cast<__m256i *>(to + std::size_t(4 + j) * to_stride), high);
        }
    }

    static found_extent extent_of(const float * x, int count) {
        __m256 most = _mm256_setzero_ps();
        __m256 least = _mm256_setzero_ps();
        __m256 finite = _mm256_setzero_ps();
        for (int i = 0; i < count; i += 8) {
            const __m256 v = _mm256_loadu_ps(x + i);
            most = _mm256_max_ps(most, v);
            least = _mm256_min_ps(least, v);
            finite = _mm256_fmadd_ps(v, _mm256_setzero_ps(), finite);
        }
        float tops[8];
        float bottoms[8];
        float zeros[8];
        _mm256_storeu_ps(tops, most);
        _mm256_storeu_ps(bottoms, least);
        _mm256_storeu_ps(zeros, finite);
        for (int i = 1; i < 8; i++) {
            tops[0] = tops[i] > tops[0] ? tops[i] : tops[0];
            bottoms[0] = bottoms[i] < bottoms[0] ? bottoms[i] : bottoms[0];
            zeros[0] += zeros[i];
        }
        return extent_from(tops[0], bottoms[0], zeros[0], x, count);
    }

    static void store_rounded(std::int8_t * to, const float * x, float inverse) {
        const __m256i rounded = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x), _mm256_set1_ps(inverse)));
        const __m128i half = _mm_packs_epi32(_mm256_castsi256_si128(rounded), _mm256_extracti128_si256(rounded, 1));
        _mm_storel_epi64(reinterpret_cast<__m128i *>(to), _mm_packs_epi16(half, half));
    }
};

}  // namespace
}  // namespace overfill::kernels
