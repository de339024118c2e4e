// AVX-512 with VNNI: few columns, as tokens are written or checked. Reading the weights is all that they should cost,
// so each row is multiplied as it lies, in one stream, for all columns, and its sums stay in vectors until its end.
// That is another order of additions than a panel's, the same for each number of columns. For the types that ggml would
// repack, and for q8_0, whose kernels there keep a fast memory waiting.
#include "leaf_avx512_rows.h"

#include "vector_convert.h"

#include <cstring>
#include <immintrin.h>

namespace overfill::kernels {
namespace {

// How far ahead of the bytes at work the next ones are fetched, which are those of the next rows as well: enough for a
// memory that answers late. Rows side by side were tried and read at half the speed, since each is a stream of its own.
// What lies behind the last row is fetched for nothing, which does no harm.
constexpr std::size_t ahead_bytes = 4096;
void fetch_ahead_of(const std::uint8_t * at) {
    _mm_prefetch(reinterpret_cast<const char *>(at + ahead_bytes), _MM_HINT_T0);
}

// Four blocks of 32: what is made of their weights once, and the sums of their products with a column. Each block has
// four sums, and `order` says which block's each one is.

// The activations are moved up by 128, so that they have no sign, and what that adds to the sums is known of the
// weights alone.
struct q8_0_blocks {
    using block = q8_0_block;

    __m512i front, back;  // two blocks each
    __m512i front_less, back_less;

    explicit q8_0_blocks(const std::uint8_t * at)
        : front(two(at)), back(two(at + 2 * sizeof(block))), front_less(less(front)), back_less(less(back)) {}

    static __m512i two(const std::uint8_t * at) {
        const auto values = [&](std::size_t i) {
            return _mm256_loadu_si256(reinterpret_cast<const __m256i *>(at + i * sizeof(block) + sizeof(half_bits)));
        };
        return _mm512_inserti64x4(_mm512_castsi256_si512(values(0)), values(1), 1);
    }
    static __m512i less(__m512i weights) {
        const __m512i more = _mm512_dpbusd_epi32(_mm512_setzero_si512(), _mm512_set1_epi8(-128), weights);
        return _mm512_sub_epi32(_mm512_setzero_si512(), more);
    }
    static __m512i moved_up(const std::int8_t * q) {
        return _mm512_xor_si512(_mm512_loadu_si512(q), _mm512_set1_epi8(-128));
    }

    __m512i sums(const std::int8_t * q, const std::int32_t *, __mmask8) const {
        const __m512i a = _mm512_dpbusd_epi32(front_less, moved_up(q), front);
        const __m512i b = _mm512_dpbusd_epi32(back_less, moved_up(q + 64), back);
        return _mm512_add_epi32(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b));
    }
    static __m512i order() { return _mm512_setr_epi32(0, 0, 2, 2, 0, 0, 2, 2, 1, 1, 3, 3, 1, 1, 3, 3); }
};

template <bool has_table> struct nibble_blocks {
    using block = q4_0_block;

    __m512i low, high;  // of each block the first half and the second

    explicit nibble_blocks(const std::uint8_t * at) {
        const auto nibbles = [&](int i) {
            return _mm_loadu_si128(reinterpret_cast<const __m128i *>(at + i * sizeof(block) + sizeof(half_bits)));
        };
        const __m256i front = _mm256_inserti128_si256(_mm256_castsi128_si256(nibbles(0)), nibbles(1), 1);
        const __m256i back = _mm256_inserti128_si256(_mm256_castsi128_si256(nibbles(2)), nibbles(3), 1);
        const __m512i both = _mm512_inserti64x4(_mm512_castsi256_si512(front), back, 1);
        const __m512i mask = _mm512_set1_epi8(15);
        low = values(_mm512_and_si512(both, mask));
        high = values(_mm512_and_si512(_mm512_srli_epi16(both, 4), mask));
    }

    static __m512i values(__m512i nibbles) {
        if (!has_table) return nibbles;
        const __m128i table = _mm_loadu_si128(reinterpret_cast<const __m128i *>(iq4_values));
        return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(table), nibbles);
    }

    __m512i sums(const std::int8_t * q, const std::int32_t * corrections, __mmask8 there) const {
        const __m512i a = _mm512_loadu_si512(q);
        const __m512i b = _mm512_loadu_si512(q + 64);
        const __m512i four = _mm512_castsi128_si512(_mm_maskz_loadu_epi32(there, corrections));
        const __m512i sum = _mm512_dpbusd_epi32(_mm512_maskz_permutexvar_epi32(0x1111, order(), four), low,
                                                _mm512_shuffle_i64x2(a, b, 0x88));
        return _mm512_dpbusd_epi32(sum, high, _mm512_shuffle_i64x2(a, b, 0xdd));
    }
    static __m512i order() { return _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3); }
};

template <typename Blocks> struct rows_of_32 {
    using block = typename Blocks::block;
    static constexpr int chunk_blocks = chunk_elements / 32;

    // The halves in front of four blocks, as numbers.
    static __m128 scales_of_four(const std::uint8_t * at) {
        const auto half = [&](int i) {
            half_bits bits;
            std::memcpy(&bits, at + i * sizeof(block), sizeof bits);
            return std::uint64_t(bits) << (16 * i);
        };
        return _mm_cvtph_ps(_mm_cvtsi64_si128(static_cast<long long>(half(0) | half(1) | half(2) | half(3))));
    }

    template <int columns>
    static void row(const std::uint8_t * row, const activations & x, float * out, std::size_t stride) {
        __m512 total[columns];
        for (__m512 & each : total) each = _mm512_setzero_ps();
        const int blocks = x.elements / 32;
        for (int first = 0; first < blocks; first += 4) {
            const std::uint8_t * at = row + std::size_t(first) * sizeof(block);
            fetch_ahead_of(at);
            fetch_ahead_of(at + 64);
            const int left = blocks - first;
            std::uint8_t part[4 * sizeof(block)];
            if (left < 4) {
                std::memset(part, 0, sizeof part);
                std::memcpy(part, at, std::size_t(left) * sizeof(block));
                at = part;
            }
            const auto there = static_cast<__mmask8>(left < 4 ? (1 << left) - 1 : 15);
            const Blocks weights(at);
            const __m128 scales = scales_of_four(at);
            const std::size_t chunk = std::size_t(first / chunk_blocks) * columns;
            for (int c = 0; c < columns; c++) {
                const std::size_t place = (chunk + c) * chunk_blocks + std::size_t(first % chunk_blocks);
                const __m512i sums = weights.sums(x.q + place * 32, x.corrections + place, there);
                const __m128 both = _mm_mul_ps(scales, _mm_maskz_loadu_ps(there, x.scales + place));
                const __m512 scale = _mm512_permutexvar_ps(Blocks::order(), _mm512_castps128_ps512(both));
                total[c] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums), scale, total[c]);
            }
        }
        for (int c = 0; c < columns; c++) out[c * stride] = _mm512_reduce_add_ps(total[c]);
    }
};

struct q4_k_rows {
    // Of eight scales those of groups 2 i and 2 i + 1, as often as a vector of both has sums.
    static __m512i two_of(__m512i scales, int i) {
        const __m512i order = _mm512_inserti64x4(_mm512_setzero_si512(), _mm256_set1_epi32(1), 1);
        return _mm512_permutexvar_epi32(_mm512_add_epi32(order, _mm512_set1_epi32(2 * i)), scales);
    }

    template <int columns>
    static void row(const std::uint8_t * row, const activations & x, float * out, std::size_t stride) {
        const __m512i mask = _mm512_set1_epi8(15);
        __m512 total[columns];
        __m256 below[columns];
        for (__m512 & each : total) each = _mm512_setzero_ps();
        for (__m256 & each : below) each = _mm256_setzero_ps();
        const int chunks = x.elements / chunk_elements;
        for (int chunk = 0; chunk < chunks; chunk++) {
            const std::uint8_t * at = row + std::size_t(chunk) * sizeof(q4_k_block);
            const auto & block = *reinterpret_cast<const q4_k_block *>(at);
            for (std::size_t i = 0; i < sizeof(q4_k_block); i += 64) fetch_ahead_of(at + i);
            std::uint32_t p[3];
            std::memcpy(p, block.scales, sizeof p);
            const std::uint32_t six = 0x3f3f3f3f;
            const std::uint32_t four = 0x0f0f0f0f;
            const std::uint32_t two = 0x03030303;
            const std::uint64_t s = std::uint64_t(p[0] & six) | std::uint64_t((p[2] & four) | ((p[0] >> 6 & two) << 4))
                                                                    << 32;
            const std::uint64_t m =
                std::uint64_t(p[1] & six) | std::uint64_t((p[2] >> 4 & four) | ((p[1] >> 6 & two) << 4)) << 32;
            const __m512i scales =
                _mm512_castsi256_si512(_mm256_cvtepu8_epi32(_mm_cvtsi64_si128(static_cast<long long>(s))));
            const __m256 minimums =
                _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_cvtsi64_si128(static_cast<long long>(m))));
            const float d = x86_convert::of(block.d);
            const float dmin = x86_convert::of(block.dmin);
            // In the elements' order, two groups in a vector.
            __m512i values[4];
            __m512i two_scales[4];
            for (int i = 0; i < 2; i++) {
                const __m512i both = _mm512_loadu_si512(block.q + 64 * i);
                const __m512i low = _mm512_and_si512(both, mask);
                const __m512i high = _mm512_and_si512(_mm512_srli_epi16(both, 4), mask);
                values[2 * i] = _mm512_shuffle_i64x2(low, high, 0x44);
                values[2 * i + 1] = _mm512_shuffle_i64x2(low, high, 0xee);
            }
            for (int i = 0; i < 4; i++) two_scales[i] = two_of(scales, i);
            const std::size_t place = std::size_t(chunk) * columns;
            for (int c = 0; c < columns; c++) {
                const std::int8_t * q = x.q + (place + c) * chunk_elements;
                const __m256 sums = _mm256_loadu_ps(x.sums + 8 * (place + c));
                const float scale = x.scales[place + c];
                __m512i sum = _mm512_setzero_si512();
                for (int i = 0; i < 4; i++) {
                    const __m512i products =
                        _mm512_dpbusd_epi32(_mm512_setzero_si512(), values[i], _mm512_loadu_si512(q + 64 * i));
                    sum = _mm512_add_epi32(sum, _mm512_mullo_epi32(products, two_scales[i]));
                }
                total[c] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), _mm512_set1_ps(d * scale), total[c]);
                below[c] = _mm256_fmadd_ps(_mm256_mul_ps(minimums, sums), _mm256_set1_ps(dmin * scale), below[c]);
            }
        }
        for (int c = 0; c < columns; c++)
            out[c * stride] = _mm512_reduce_add_ps(total[c]) - _mm512_reduce_add_ps(_mm512_zextps256_ps512(below[c]));
    }
};

struct q2_k_rows {
    template <int columns>
    static void row(const std::uint8_t * row, const activations & x, float * out, std::size_t stride) {
        const __m512i mask = _mm512_set1_epi8(3);
        __m512 total[columns];
        __m512 below[columns];
        for (__m512 & each : total) each = _mm512_setzero_ps();
        for (__m512 & each : below) each = _mm512_setzero_ps();
        const int chunks = x.elements / chunk_elements;
        for (int chunk = 0; chunk < chunks; chunk++) {
            const std::uint8_t * at = row + std::size_t(chunk) * sizeof(q2_k_block);
            const auto & block = *reinterpret_cast<const q2_k_block *>(at);
            for (std::size_t i = 0; i < sizeof(q2_k_block); i += 64) fetch_ahead_of(at + i);
            const __m128i packed = _mm_loadu_si128(reinterpret_cast<const __m128i *>(block.scales));
            const __m512i scales = _mm512_cvtepu8_epi32(_mm_and_si128(packed, _mm_set1_epi8(15)));
            const __m512 minimums =
                _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_and_si128(_mm_srli_epi16(packed, 4), _mm_set1_epi8(15))));
            const float d = x86_convert::of(block.d);
            const float dmin = x86_convert::of(block.dmin);
            const __m512i bytes = _mm512_loadu_si512(block.q);
            // In the elements' order, four groups of 16 in a vector.
            __m512i values[4];
            __m512i four_scales[4];
            for (int i = 0; i < 2; i++) {
                const auto bits = [&](int j) {
                    return _mm512_and_si512(_mm512_srl_epi16(bytes, _mm_cvtsi32_si128(2 * j)), mask);
                };
                values[i] = _mm512_shuffle_i64x2(bits(2 * i), bits(2 * i + 1), 0x44);
                values[i + 2] = _mm512_shuffle_i64x2(bits(2 * i), bits(2 * i + 1), 0xee);
            }
            for (int i = 0; i < 4; i++) {
                const __m512i order = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
                four_scales[i] = _mm512_permutexvar_epi32(_mm512_add_epi32(order, _mm512_set1_epi32(4 * i)), scales);
            }
            const std::size_t place = std::size_t(chunk) * columns;
            for (int c = 0; c < columns; c++) {
                const std::int8_t * q = x.q + (place + c) * chunk_elements;
                const __m512 sums = _mm512_loadu_ps(x.sums + 16 * (place + c));
                const float scale = x.scales[place + c];
                __m512i sum = _mm512_setzero_si512();
                for (int i = 0; i < 4; i++) {
                    const __m512i products =
                        _mm512_dpbusd_epi32(_mm512_setzero_si512(), values[i], _mm512_loadu_si512(q + 64 * i));
                    sum = _mm512_add_epi32(sum, _mm512_mullo_epi32(products, four_scales[i]));
                }
                total[c] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), _mm512_set1_ps(d * scale), total[c]);
                below[c] = _mm512_fmadd_ps(_mm512_mul_ps(minimums, sums), _mm512_set1_ps(dmin * scale), below[c]);
            }
        }
        for (int c = 0; c < columns; c++)
            out[c * stride] = _mm512_reduce_add_ps(total[c]) - _mm512_reduce_add_ps(below[c]);
    }
};

template <typename Rows, int columns>
void multiply_row(const std::uint8_t * row, const activations & x, float * out, std::size_t stride) {
    if (x.columns == columns) return Rows::template row<columns>(row, x, out, stride);
    if constexpr (columns > 1) multiply_row<Rows, columns - 1>(row, x, out, stride);
}

template <typename Rows, int most> void multiply_rows(const row_range & range, const activations & x) {
    for (int r = 0; r < range.count; r++)
        multiply_row<Rows, most>(range.rows + r * range.row_stride, x, range.out + r, range.out_stride);
}

// Up to `most` columns; with more, panels are faster.
template <typename Rows, int most> void add(leaf & to, weight_type type) {
    to.multiply_few[int(type)] = multiply_rows<Rows, most>;
    to.most_few[int(type)] = most;
}

}  // namespace

void add_avx512_rows(leaf & to) {
    add<rows_of_32<q8_0_blocks>, 8>(to, weight_type::q8_0);
    add<rows_of_32<nibble_blocks<false>>, 2>(to, weight_type::q4_0);
    add<rows_of_32<nibble_blocks<true>>, 2>(to, weight_type::iq4_nl);
    add<q4_k_rows, 8>(to, weight_type::q4_k);
    add<q2_k_rows, 2>(to, weight_type::q2_k);
}

}  // namespace overfill::kernels
