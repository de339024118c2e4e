// AVX-512 with VNNI: 64 products of bytes an instruction. Compiled for these instructions, run only where they are.

#include "float_template.h"
#include "leaf_avx512_rows.h"
#include "leaf_template.h"
#include "leaves.h"
#include "vector_convert.h"

#include <immintrin.h>

namespace overfill::kernels {
namespace {

struct avx512 {
    static constexpr int lanes = 16;
    static constexpr int row_vectors = 2;
    static constexpr int columns = 6;
    static constexpr int float_columns = 12;
    using ints = __m512i;
    using floats = __m512;
    using convert = x86_convert;

    static floats zero() { return _mm512_setzero_ps(); }
    static floats load(const float * from) { return _mm512_loadu_ps(from); }
    static void store(float * to, floats value) { _mm512_storeu_ps(to, value); }
    static floats broadcast(float value) { return _mm512_set1_ps(value); }
    static ints broadcast(std::int32_t value) { return _mm512_set1_epi32(value); }
    static ints load_bytes(const std::uint8_t * from) { return _mm512_load_si512(from); }
    static ints broadcast_bytes(const std::int8_t * from) {
        std::int32_t four;
        std::memcpy(&four, from, 4);
        return _mm512_set1_epi32(four);
    }
    static ints dot(ints sum, ints w, ints x) { return _mm512_dpbusd_epi32(sum, w, x); }
    static floats to_floats(ints value) { return _mm512_cvtepi32_ps(value); }
    static floats multiply(floats a, floats b) { return _mm512_mul_ps(a, b); }
    static floats multiply_add(floats a, floats b, floats sum) { return _mm512_fmadd_ps(a, b, sum); }
    static floats subtract_product(floats a, floats b, floats from) { return _mm512_fnmadd_ps(a, b, from); }
    static void prefetch(const std::uint8_t * at) { _mm_prefetch(reinterpret_cast<const char *>(at), _MM_HINT_T1); }

    // a[row] of 16 quads becomes a[quad] of 16 rows.
    static void transpose(__m512i * a) {
        __m512i b[16];
        for (int i = 0; i < 8; i++) {
            b[2 * i] = _mm512_unpacklo_epi32(a[2 * i], a[2 * i + 1]);
            b[2 * i + 1] = _mm512_unpackhi_epi32(a[2 * i], a[2 * i + 1]);
        }
        for (int i = 0; i < 4; i++) {
            a[4 * i] = _mm512_unpacklo_epi64(b[4 * i], b[4 * i + 2]);
            a[4 * i + 1] = _mm512_unpackhi_epi64(b[4 * i], b[4 * i + 2]);
            a[4 * i + 2] = _mm512_unpacklo_epi64(b[4 * i + 1], b[4 * i + 3]);
            a[4 * i + 3] = _mm512_unpackhi_epi64(b[4 * i + 1], b[4 * i + 3]);
        }
        // a[4 i + j]: in each 128 bits the quad j of rows 4 i to 4 i + 3; in the next 128 bits quad 4 + j, and so on.
        for (int j = 0; j < 4; j++) {
            const __m512i low = _mm512_shuffle_i32x4(a[j], a[4 + j], 0x88);
            const __m512i high = _mm512_shuffle_i32x4(a[8 + j], a[12 + j], 0x88);
            const __m512i low_odd = _mm512_shuffle_i32x4(a[j], a[4 + j], 0xdd);
            const __m512i high_odd = _mm512_shuffle_i32x4(a[8 + j], a[12 + j], 0xdd);
            a[j] = _mm512_shuffle_i32x4(low, high, 0x88);
            a[4 + j] = _mm512_shuffle_i32x4(low_odd, high_odd, 0x88);
            a[8 + j] = _mm512_shuffle_i32x4(low, high, 0xdd);
            a[12 + j] = _mm512_shuffle_i32x4(low_odd, high_odd, 0xdd);
        }
    }
    static void transpose(const std::uint8_t * from, int stride, std::uint8_t * to, int to_stride) {
        __m512i a[16];
        for (int i = 0; i < 16; i++) a[i] = _mm512_load_si512(from + i * stride);
        transpose(a);
        for (int i = 0; i < 16; i++) _mm512_storeu_si512(to + std::size_t(i) * to_stride, a[i]);
    }

    template <weight_type type>
    static void widen(const std::uint8_t * const * rows, int at, float * to, int to_stride) {
        __m512i a[16];
        for (int i = 0; i < 16; i++) a[i] = _mm512_loadu_si512(rows[i] + at);
        // Pairs of numbers are laid as one: the first of each pair is in the low half.
        transpose(a);
        const __m512i firsts_then_seconds = _mm512_set_epi16(31, 29, 27, 25, 23, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1,
                                                             30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
        for (int i = 0; i < 16; i++, to += 2 * to_stride) {
            if (type == weight_type::bf16) {
                store(to, _mm512_castsi512_ps(_mm512_slli_epi32(a[i], 16)));
                store(to + to_stride, _mm512_castsi512_ps(_mm512_and_si512(a[i], _mm512_set1_epi32(-0x10000))));
            } else {
                const __m512i both = _mm512_permutexvar_epi16(firsts_then_seconds, a[i]);
                store(to, _mm512_cvtph_ps(_mm512_castsi512_si256(both)));
                store(to + to_stride, _mm512_cvtph_ps(_mm512_extracti64x4_epi64(both, 1)));
            }
        }
    }

    static found_extent extent_of(const float * x, int count) {
        __m512 most = _mm512_set1_ps(0);
        __m512 least = _mm512_set1_ps(0);
        __m512 finite = _mm512_set1_ps(0);
        for (int i = 0; i < count; i += 16) {
            const __m512 v = _mm512_loadu_ps(x + i);
            most = _mm512_max_ps(most, v);
            least = _mm512_min_ps(least, v);
            finite = _mm512_fmadd_ps(v, _mm512_setzero_ps(), finite);
        }
        return extent_from(_mm512_reduce_max_ps(most), _mm512_reduce_min_ps(least), _mm512_reduce_add_ps(finite), x,
                           count);
    }
    static void store_rounded(std::int8_t * to, const float * x, float inverse) {
        const __m512 scaled = _mm512_mul_ps(_mm512_loadu_ps(x), _mm512_set1_ps(inverse));
        const __m512i rounded = _mm512_cvtps_epi32(scaled);
        _mm_storeu_si128(reinterpret_cast<__m128i *>(to), _mm512_cvtsepi32_epi8(rounded));
    }
};

}  // namespace

const leaf & avx512_leaf() {
    static const leaf made = [] {
        leaf all = leaf_of<avx512>("avx512-vnni");
        add_avx512_rows(all);
        add_floats<avx512>(all);
        all.halves_to_q8_0 = half_rows_to_q8_0_avx512;
        return all;
    }();
    return made;
}

}  // namespace overfill::kernels
