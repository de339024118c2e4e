// AVX-512 with VNNI: a column alone, as a token is written. Reading the weights is all that it should cost, so each row
// is multiplied as it lies, in one stream, and its sums stay in a vector until its end. That is another order of
// additions than a panel's, so a column alone may differ from one in a batch in its last bits. For the types that ggml
// would repack; its own kernels for the others keep up with the memory.
#include "leaf_avx512_rows.h"

#include "vector_convert.h"

#include <cstring>
#include <immintrin.h>

namespace overfill::kernels {
namespace {

// Rows that go side by side, so that what is made of the activations is made once for all of them.
constexpr int side_by_side = 4;

// The rows behind those at work: a processor that is not told so begins to fetch a row when it is already wanted. What
// lies behind the last row is fetched for nothing, which does no harm.
void fetch(const std::uint8_t * at) { _mm_prefetch(reinterpret_cast<const char *>(at), _MM_HINT_T0); }

__m512 halves_to_lanes(std::uint64_t four, __m512i order) {
    const __m128 floats = _mm_cvtph_ps(_mm_cvtsi64_si128(static_cast<long long>(four)));
    return _mm512_permutexvar_ps(order, _mm512_castps128_ps512(floats));
}

// Each of four numbers, four times.
__m512i each_fourth() { return _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3); }

// Activations of four blocks of 32.
struct four_blocks {
    __m512i low, high, corrections;
    __m512 scales;

    four_blocks(const std::int8_t * q, const float * x_scales, const std::int32_t * x_corrections, int count) {
        const __m512i a = _mm512_loadu_si512(q);
        const __m512i b = _mm512_loadu_si512(q + 64);
        low = _mm512_shuffle_i64x2(a, b, 0x88);
        high = _mm512_shuffle_i64x2(a, b, 0xdd);
        const auto there = static_cast<__mmask8>((1 << count) - 1);
        const __m128i four = _mm_maskz_loadu_epi32(there, x_corrections);
        corrections = _mm512_maskz_permutexvar_epi32(0x1111, each_fourth(), _mm512_castsi128_si512(four));
        const __m128 dx = _mm_maskz_loadu_ps(there, x_scales);
        scales = _mm512_permutexvar_ps(each_fourth(), _mm512_castps128_ps512(dx));
    }
};

template <bool has_table> struct nibble_blocks {
    static __m512i value(__m512i nibbles, __m512i table) {
        return has_table ? _mm512_shuffle_epi8(table, nibbles) : nibbles;
    }

    // Adds the products of up to four blocks, which need not be aligned.
    static __m512 add(const std::uint8_t * at, const four_blocks & x, __m512i table, __m512 total) {
        const auto nibbles = [&](int i) {
            return _mm_loadu_si128(reinterpret_cast<const __m128i *>(at + i * sizeof(q4_0_block) + sizeof(half_bits)));
        };
        const auto half = [&](int i) {
            half_bits bits;
            std::memcpy(&bits, at + i * sizeof(q4_0_block), sizeof bits);
            return std::uint64_t(bits) << (16 * i);
        };
        const __m256i front = _mm256_inserti128_si256(_mm256_castsi128_si256(nibbles(0)), nibbles(1), 1);
        const __m256i back = _mm256_inserti128_si256(_mm256_castsi128_si256(nibbles(2)), nibbles(3), 1);
        const __m512i both = _mm512_inserti64x4(_mm512_castsi256_si512(front), back, 1);
        const __m512i mask = _mm512_set1_epi8(15);
        const __m512i low = value(_mm512_and_si512(both, mask), table);
        const __m512i high = value(_mm512_and_si512(_mm512_srli_epi16(both, 4), mask), table);
        __m512i sum = _mm512_dpbusd_epi32(x.corrections, low, x.low);
        sum = _mm512_dpbusd_epi32(sum, high, x.high);
        const __m512 scale = halves_to_lanes(half(0) | half(1) | half(2) | half(3), each_fourth());
        return _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), _mm512_mul_ps(scale, x.scales), total);
    }

    template <int n_rows>
    static void rows(const std::uint8_t * row, std::size_t stride, const activations & x, float * out) {
        const __m512i table = _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i *>(iq4_values)));
        __m512 total[n_rows];
        for (__m512 & each : total) each = _mm512_setzero_ps();
        const int blocks = x.elements / 32;
        for (int block = 0; block < blocks; block += 4) {
            const int left = blocks - block < 4 ? blocks - block : 4;
            const four_blocks four(x.q + 32 * block, x.scales + block, x.corrections + block, left);
            for (int r = 0; r < n_rows; r++) {
                const std::uint8_t * at = row + r * stride + std::size_t(block) * sizeof(q4_0_block);
                fetch(at + n_rows * stride);
                if (left == 4) {
                    total[r] = add(at, four, table, total[r]);
                } else {
                    std::uint8_t part[4 * sizeof(q4_0_block)] = {};
                    std::memcpy(part, at, std::size_t(left) * sizeof(q4_0_block));
                    total[r] = add(part, four, table, total[r]);
                }
            }
        }
        for (int r = 0; r < n_rows; r++) out[r] = _mm512_reduce_add_ps(total[r]);
    }
};

struct q4_k_rows {
    template <int n_rows>
    static void rows(const std::uint8_t * row, std::size_t stride, const activations & x, float * out) {
        const __m512i mask = _mm512_set1_epi8(15);
        // Of eight scales those of groups 0 and 2, 1 and 3, 4 and 6, 5 and 7.
        const __m512i order[4] = {
            _mm512_inserti64x4(_mm512_set1_epi32(0), _mm256_set1_epi32(2), 1),
            _mm512_inserti64x4(_mm512_set1_epi32(1), _mm256_set1_epi32(3), 1),
            _mm512_inserti64x4(_mm512_set1_epi32(4), _mm256_set1_epi32(6), 1),
            _mm512_inserti64x4(_mm512_set1_epi32(5), _mm256_set1_epi32(7), 1),
        };
        __m512 total[n_rows];
        __m256 below[n_rows];
        for (__m512 & each : total) each = _mm512_setzero_ps();
        for (__m256 & each : below) each = _mm256_setzero_ps();
        const int chunks = x.elements / chunk_elements;
        for (int chunk = 0; chunk < chunks; chunk++) {
            const std::int8_t * q = x.q + chunk * chunk_elements;
            __m512i xs[4];
            for (int i = 0; i < 2; i++) {
                const __m512i a = _mm512_loadu_si512(q + 128 * i);
                const __m512i b = _mm512_loadu_si512(q + 128 * i + 64);
                xs[2 * i] = _mm512_shuffle_i64x2(a, b, 0x44);
                xs[2 * i + 1] = _mm512_shuffle_i64x2(a, b, 0xee);
            }
            const __m256 sums = _mm256_loadu_ps(x.sums + 8 * chunk);
            const float scale = x.scales[chunk];
            for (int r = 0; r < n_rows; r++) {
                const std::uint8_t * at = row + r * stride + std::size_t(chunk) * sizeof(q4_k_block);
                const auto & block = *reinterpret_cast<const q4_k_block *>(at);
                for (std::size_t i = 0; i < sizeof(q4_k_block); i += 64) fetch(at + n_rows * stride + i);
                std::uint32_t p[3];
                std::memcpy(p, block.scales, sizeof p);
                const std::uint32_t six = 0x3f3f3f3f;
                const std::uint32_t four = 0x0f0f0f0f;
                const std::uint32_t two = 0x03030303;
                const std::uint64_t s =
                    std::uint64_t(p[0] & six) | std::uint64_t((p[2] & four) | ((p[0] >> 6 & two) << 4)) << 32;
                const std::uint64_t m =
                    std::uint64_t(p[1] & six) | std::uint64_t((p[2] >> 4 & four) | ((p[1] >> 6 & two) << 4)) << 32;
                const __m512i scales =
                    _mm512_castsi256_si512(_mm256_cvtepu8_epi32(_mm_cvtsi64_si128(static_cast<long long>(s))));
                const __m256i minimums = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128(static_cast<long long>(m)));
                __m512i sum = _mm512_setzero_si512();
                for (int i = 0; i < 2; i++) {
                    const __m512i both = _mm512_loadu_si512(block.q + 64 * i);
                    const __m512i low = _mm512_and_si512(both, mask);
                    const __m512i high = _mm512_and_si512(_mm512_srli_epi16(both, 4), mask);
                    const __m512i a = _mm512_dpbusd_epi32(_mm512_setzero_si512(), low, xs[2 * i]);
                    const __m512i b = _mm512_dpbusd_epi32(_mm512_setzero_si512(), high, xs[2 * i + 1]);
                    sum = _mm512_add_epi32(sum, _mm512_mullo_epi32(a, _mm512_permutexvar_epi32(order[2 * i], scales)));
                    sum = _mm512_add_epi32(sum,
                                           _mm512_mullo_epi32(b, _mm512_permutexvar_epi32(order[2 * i + 1], scales)));
                }
                total[r] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), _mm512_set1_ps(x86_convert::of(block.d) * scale),
                                           total[r]);
                below[r] = _mm256_fmadd_ps(_mm256_mul_ps(_mm256_cvtepi32_ps(minimums), sums),
                                           _mm256_set1_ps(x86_convert::of(block.dmin) * scale), below[r]);
            }
        }
        for (int r = 0; r < n_rows; r++)
            out[r] = _mm512_reduce_add_ps(total[r]) - _mm512_reduce_add_ps(_mm512_zextps256_ps512(below[r]));
    }
};

struct q2_k_rows {
    template <int n_rows>
    static void rows(const std::uint8_t * row, std::size_t stride, const activations & x, float * out) {
        const __m512i mask = _mm512_set1_epi8(3);
        __m512 total[n_rows];
        __m512 below[n_rows];
        for (__m512 & each : total) each = _mm512_setzero_ps();
        for (__m512 & each : below) each = _mm512_setzero_ps();
        const int chunks = x.elements / chunk_elements;
        for (int chunk = 0; chunk < chunks; chunk++) {
            const std::int8_t * q = x.q + chunk * chunk_elements;
            // The bits at 2 j of all bytes are groups 2 j, 2 j + 1, 8 + 2 j and 9 + 2 j.
            __m512i xs[4];
            for (int i = 0; i < 2; i++) {
                const __m512i a = _mm512_loadu_si512(q + 64 * i);
                const __m512i b = _mm512_loadu_si512(q + 64 * i + 128);
                xs[2 * i] = _mm512_shuffle_i64x2(a, b, 0x44);
                xs[2 * i + 1] = _mm512_shuffle_i64x2(a, b, 0xee);
            }
            const __m512 sums = _mm512_loadu_ps(x.sums + 16 * chunk);
            const float scale = x.scales[chunk];
            for (int r = 0; r < n_rows; r++) {
                const std::uint8_t * at = row + r * stride + std::size_t(chunk) * sizeof(q2_k_block);
                const auto & block = *reinterpret_cast<const q2_k_block *>(at);
                for (std::size_t i = 0; i < sizeof(q2_k_block); i += 64) fetch(at + n_rows * stride + i);
                const __m128i packed = _mm_loadu_si128(reinterpret_cast<const __m128i *>(block.scales));
                const __m512i scales = _mm512_cvtepu8_epi32(_mm_and_si128(packed, _mm_set1_epi8(15)));
                const __m512i minimums =
                    _mm512_cvtepu8_epi32(_mm_and_si128(_mm_srli_epi16(packed, 4), _mm_set1_epi8(15)));
                const __m512i bytes = _mm512_loadu_si512(block.q);
                __m512i sum = _mm512_setzero_si512();
                for (int j = 0; j < 4; j++) {
                    const __m512i values = _mm512_and_si512(_mm512_srl_epi16(bytes, _mm_cvtsi32_si128(2 * j)), mask);
                    const __m512i products = _mm512_dpbusd_epi32(_mm512_setzero_si512(), values, xs[j]);
                    const __m512i order = _mm512_add_epi32(
                        _mm512_set1_epi32(2 * j), _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 8, 8, 8, 8, 9, 9, 9, 9));
                    sum = _mm512_add_epi32(sum, _mm512_mullo_epi32(products, _mm512_permutexvar_epi32(order, scales)));
                }
                total[r] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), _mm512_set1_ps(x86_convert::of(block.d) * scale),
                                           total[r]);
                below[r] = _mm512_fmadd_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(minimums), sums),
                                           _mm512_set1_ps(x86_convert::of(block.dmin) * scale), below[r]);
            }
        }
        for (int r = 0; r < n_rows; r++) out[r] = _mm512_reduce_add_ps(total[r]) - _mm512_reduce_add_ps(below[r]);
    }
};

template <typename Rows> void multiply_rows(const row_range & range, const activations & x) {
    int row = 0;
    for (; row + side_by_side <= range.count; row += side_by_side)
        Rows::template rows<side_by_side>(range.rows + row * range.row_stride, range.row_stride, x, range.out + row);
    for (; row < range.count; row++)
        Rows::template rows<1>(range.rows + row * range.row_stride, range.row_stride, x, range.out + row);
}

}  // namespace

void add_avx512_rows(leaf & to) {
    to.multiply_alone[int(weight_type::q4_0)] = multiply_rows<nibble_blocks<false>>;
    to.multiply_alone[int(weight_type::iq4_nl)] = multiply_rows<nibble_blocks<true>>;
    to.multiply_alone[int(weight_type::q4_k)] = multiply_rows<q4_k_rows>;
    to.multiply_alone[int(weight_type::q2_k)] = multiply_rows<q2_k_rows>;
}

}  // namespace overfill::kernels
