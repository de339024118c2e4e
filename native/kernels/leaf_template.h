// The leaf, written once: `V` are a processor's vectors. `V::lanes` rows go side by side in a vector of sums, four
// neighbouring elements of each in its 32 bits, and `V::row_vectors` of these times `V::columns` columns are summed up
// in registers.
#pragma once

#include "extent.h"
#include "leaf.h"
#include "unpack.h"

namespace overfill::kernels {
namespace {

template <typename V> struct panel {
    static constexpr int rows = V::lanes * V::row_vectors;
    static constexpr int quads = chunk_elements / 4;
    static constexpr int most_groups = chunk_elements / 16;

    // [quad][row][4]
    alignas(64) std::uint8_t values[quads * rows * 4];
    // [group][row]
    alignas(64) float scales[most_groups * rows];
    alignas(64) float minimums[most_groups * rows];
    // Rows as they are unpacked, before they are laid side by side.
    alignas(64) std::uint8_t unpacked[rows * chunk_elements];
    alignas(64) float row_scales[rows * most_groups];
    alignas(64) float row_minimums[rows * most_groups];
};

// Reads ahead a little at a time, so that fetching keeps pace with computing.
template <typename V> struct reading_ahead {
    const std::uint8_t * at;
    const std::uint8_t * end;
    void next(std::size_t bytes) {
        for (std::size_t i = 0; i < bytes && at < end; i += 64, at += 64) V::prefetch(at);
    }
};

// Four bytes at a time, those of a vector's rows from `first` on: to[quad][row]. `quads` is rounded up to what a vector
// takes, for which there is room.
template <typename V> void lay_side_by_side(const void * rows, int row_bytes, int quads, void * to, int first) {
    const auto * from = static_cast<const std::uint8_t *>(rows) + first * row_bytes;
    auto * place = static_cast<std::uint8_t *>(to) + 4 * first;
    constexpr int place_bytes = 4 * panel<V>::rows;
    for (int quad = 0; quad < quads; quad += V::lanes)
        V::transpose(from + 4 * quad, row_bytes, place + std::size_t(quad) * place_bytes, place_bytes);
}

// Unpacks a chunk of the rows, and lays their scales side by side.
template <weight_type type, typename V>
void unpack_rows(const row_range & range, int chunk, int elements, panel<V> & to, reading_ahead<V> & ahead) {
    constexpr weight_format format = format_of(type);
    const int groups = elements / format.group;
    const std::size_t chunk_bytes = std::size_t(chunk_elements / format.block) * format.bytes;
    for (int r = 0; r < range.count; r++) {
        std::uint8_t * values = to.unpacked + r * chunk_elements;
        const std::uint8_t * row = range.rows + r * range.row_stride + chunk * chunk_bytes;
        unpacker<type, typename V::convert>::run(row, elements, values, to.row_scales + r * panel<V>::most_groups,
                                                 to.row_minimums + r * panel<V>::most_groups);
        ahead.next(chunk_bytes);
    }
    for (int first = 0; first < panel<V>::rows; first += V::lanes) {
        lay_side_by_side<V>(to.row_scales, 4 * panel<V>::most_groups, groups, to.scales, first);
        if (format.has_minimum)
            lay_side_by_side<V>(to.row_minimums, 4 * panel<V>::most_groups, groups, to.minimums, first);
    }
}

// Adds the products of a chunk to `out`, or begins with them: `columns` columns from `column` on.
template <weight_type type, typename V, int columns>
void multiply_tile(const panel<V> & weights, const activations & x, int chunk, int elements, int column, float * out,
                   std::size_t out_stride) {
    constexpr weight_format format = format_of(type);
    constexpr int groups = chunk_elements / format.group;
    constexpr int blocks = chunk_elements / format.activation_block;
    constexpr int quads = format.group / 4;
    const std::size_t place = std::size_t(chunk) * x.columns + column;
    const std::int8_t * q = x.q + place * chunk_elements;
    const float * x_scales = x.scales + place * blocks;
    const std::int32_t * corrections = x.corrections + place * groups;
    const float * sums = format.has_minimum ? x.sums + place * groups : nullptr;

    typename V::floats total[V::row_vectors][columns];
    if (format.activation_block == 32) {
        for (int c = 0; c < columns; c++) {
            for (int v = 0; v < V::row_vectors; v++) {
                total[v][c] = chunk == 0 ? V::zero() : V::load(out + c * out_stride + v * V::lanes);
            }
        }
    } else {
        for (int c = 0; c < columns; c++) {
            for (int v = 0; v < V::row_vectors; v++) total[v][c] = V::zero();
        }
    }
    for (int g = 0; g < elements / format.group; g++) {
        typename V::ints sum[V::row_vectors][columns];
        for (int c = 0; c < columns; c++) {
            const auto correction = V::broadcast(corrections[c * groups + g]);
            for (int v = 0; v < V::row_vectors; v++) sum[v][c] = correction;
        }
        const std::uint8_t * values = weights.values + std::size_t(g) * quads * panel<V>::rows * 4;
        const std::int8_t * x_values = q + g * format.group;
        for (int k = 0; k < quads; k++) {
            typename V::ints w[V::row_vectors];
            for (int v = 0; v < V::row_vectors; v++)
                w[v] = V::load_bytes(values + 4 * (k * panel<V>::rows + v * V::lanes));
            for (int c = 0; c < columns; c++) {
                const auto four = V::broadcast_bytes(x_values + c * chunk_elements + 4 * k);
                for (int v = 0; v < V::row_vectors; v++) sum[v][c] = V::dot(sum[v][c], w[v], four);
            }
        }
        const float * scales = weights.scales + g * panel<V>::rows;
        const float * minimums = weights.minimums + g * panel<V>::rows;
        for (int v = 0; v < V::row_vectors; v++) {
            const auto scale = V::load(scales + v * V::lanes);
            for (int c = 0; c < columns; c++) {
                const auto s =
                    format.activation_block == 32 ? V::multiply(scale, V::broadcast(x_scales[c * blocks + g])) : scale;
                total[v][c] = V::multiply_add(V::to_floats(sum[v][c]), s, total[v][c]);
            }
            if (format.has_minimum) {
                const auto minimum = V::load(minimums + v * V::lanes);
                for (int c = 0; c < columns; c++) {
                    total[v][c] = V::subtract_product(minimum, V::broadcast(sums[c * groups + g]), total[v][c]);
                }
            }
        }
    }
    for (int c = 0; c < columns; c++) {
        for (int v = 0; v < V::row_vectors; v++) {
            float * to = out + c * out_stride + v * V::lanes;
            if (format.activation_block == 32) {
                V::store(to, total[v][c]);
            } else {
                const auto before = chunk == 0 ? V::zero() : V::load(to);
                V::store(to, V::multiply_add(V::broadcast(x_scales[c]), total[v][c], before));
            }
        }
    }
}

// The tiles of all columns: as many as go at once, then what is left.
template <weight_type type, typename V, int columns = V::columns>
void multiply_tiles(const panel<V> & weights, const activations & x, int chunk, int elements, int column, float * out,
                    std::size_t out_stride) {
    for (; column + columns <= x.columns; column += columns) {
        multiply_tile<type, V, columns>(weights, x, chunk, elements, column, out + column * out_stride, out_stride);
    }
    if constexpr (columns > 1) {
        if (column < x.columns) {
            multiply_tiles<type, V, columns - 1>(weights, x, chunk, elements, column, out, out_stride);
        }
    }
}

template <typename V> struct scratch {
    panel<V> weights;
    // Where the rows of the range do not fill the panel, or columns go to places of their own: [column][row]. Behind it
    // there is room for all columns.
    alignas(64) float part[1];
};

inline void give_out_part(const row_range & range, int columns, const float * part, int rows) {
    for (int c = 0; c < columns; c++) {
        float * to = range.outs ? range.outs[c] + range.first : range.out + c * range.out_stride;
        std::memcpy(to, part + std::size_t(c) * rows, std::size_t(range.count) * sizeof(float));
    }
}

template <weight_type type, typename V>
void multiply_range(const row_range & range, const activations & x, std::uint8_t * memory) {
    auto & work = *reinterpret_cast<scratch<V> *>(memory);
    constexpr int rows = panel<V>::rows;
    const bool whole = range.count == rows && !range.outs;
    float * out = whole ? range.out : work.part;
    const std::size_t stride = whole ? range.out_stride : rows;
    reading_ahead<V> ahead{ range.ahead.begin, range.ahead.begin + range.ahead.size };
    for (int chunk = 0; chunk * chunk_elements < x.elements; chunk++) {
        const int left = x.elements - chunk * chunk_elements;
        const int elements = left < chunk_elements ? left : chunk_elements;
        unpack_rows<type, V>(range, chunk, elements, work.weights, ahead);
        for (int first = 0; first < panel<V>::rows; first += V::lanes)
            lay_side_by_side<V>(work.weights.unpacked, chunk_elements, elements / 4, work.weights.values, first);
        multiply_tiles<type, V>(work.weights, x, chunk, elements, 0, out, stride);
    }
    if (!whole) give_out_part(range, x.columns, work.part, rows);
}

// As ggml quantises for q8_0 (scales rounded to f16) and q8_K. A row with a number that is none has no number at all.
template <weight_type type, typename V>
void quantize_row(const float * row, int column, int chunk, int end, const activations & to) {
    constexpr weight_format format = format_of(type);
    constexpr int groups = chunk_elements / format.group;
    constexpr int block = format.activation_block;
    constexpr int blocks = chunk_elements / block;
    const int behind = end * chunk_elements < to.elements ? end * chunk_elements : to.elements;
    for (int first = chunk * chunk_elements; first < behind; first += block) {
        const float * x = row + first;
        const std::size_t place = std::size_t(first / chunk_elements) * to.columns + column;
        const int in_chunk = first % chunk_elements;
        std::int8_t * q = to.q + place * chunk_elements + in_chunk;
        const found_extent found = V::extent_of(x, block);
        float scale;
        float inverse;
        if (block == 32) {
            scale = V::convert::of(V::convert::to_half(found.largest / 127.0f));
            inverse = found.largest != 0 ? 127.0f / found.largest : 0.0f;
        } else {
            inverse = found.largest != 0 ? -127.0f / found.signed_largest : 0.0f;
            scale = found.largest != 0 ? 1.0f / inverse : 0.0f;
        }
        to.scales[place * blocks + in_chunk / block] = found.is_finite ? scale : found.not_a_number;
        for (int i = 0; i < block; i += V::lanes) V::store_rounded(q + i, x + i, inverse);
        for (int g = 0; g < block / format.group; g++) {
            std::int32_t sum = 0;
            for (int i = 0; i < format.group; i++) sum += q[g * format.group + i];
            const std::size_t at = place * groups + in_chunk / format.group + g;
            to.corrections[at] = -format.zero * sum;
            if (format.has_minimum) to.sums[at] = float(sum);
        }
    }
}

template <typename V, weight_type type> void add_type(leaf & to) {
    to.quantize[int(type)] = quantize_row<type, V>;
    to.multiply[int(type)] = multiply_range<type, V>;
}

template <typename V> void fetch(const stretch & bytes) {
    reading_ahead<V>{ bytes.begin, bytes.begin + bytes.size }.next(bytes.size);
}

template <typename V> leaf leaf_of(const char * name) {
    leaf made{ name, panel<V>::rows, sizeof(scratch<V>), fetch<V>, {}, {}, {}, {}, nullptr };
    add_type<V, weight_type::q8_0>(made);
    add_type<V, weight_type::q4_0>(made);
    add_type<V, weight_type::iq4_nl>(made);
    add_type<V, weight_type::q4_k>(made);
    add_type<V, weight_type::q5_k>(made);
    add_type<V, weight_type::q6_k>(made);
    add_type<V, weight_type::q3_k>(made);
    add_type<V, weight_type::q2_k>(made);
    add_type<V, weight_type::iq4_xs>(made);
    return made;
}

}  // namespace
}  // namespace overfill::kernels
