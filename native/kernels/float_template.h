// Weights that are numbers themselves, of 16 bits: made floats a panel at a time and multiplied with activations as
// they are. Every number of a product is one chain of fused multiply-adds in the order of the elements, so it has the
// same bits with every leaf and in every batch. `V` are a processor's vectors (leaf_template.h), with `V::widen` for
// halves and `V::float_columns` columns that go at once.
#pragma once

#include "leaf_template.h"

namespace overfill::kernels {
namespace {

template <typename V> struct float_panel {
    static constexpr int rows = panel<V>::rows;
    // [element][row]
    alignas(64) float values[chunk_elements * rows];
};

template <typename V> struct float_scratch {
    float_panel<V> weights;
    // As that of `scratch`.
    alignas(64) float part[1];
};

// Lays a chunk of the rows side by side and makes it floats. Where there are fewer rows than the panel has, the last
// one stands for those that lack, so that nothing behind it is read.
template <weight_type type, typename V>
void widen_rows(const row_range & range, int chunk, int elements, float_panel<V> & to, reading_ahead<V> & ahead) {
    constexpr int step = 2 * V::lanes;
    const std::uint8_t * begin = range.rows + std::size_t(chunk) * chunk_elements * sizeof(half_bits);
    for (int first = 0; first < to.rows; first += V::lanes) {
        const std::uint8_t * rows[V::lanes];
        for (int i = 0; i < V::lanes; i++) {
            const int row = first + i < range.count ? first + i : range.count - 1;
            rows[i] = begin + row * range.row_stride;
        }
        for (int i = 0; i < elements; i += step) {
            V::template widen<type>(rows, i * int(sizeof(half_bits)), to.values + i * to.rows + first, to.rows);
            ahead.next(step * V::lanes * sizeof(half_bits));
        }
    }
}

template <typename V, int columns>
void multiply_float_tile(const float_panel<V> & weights, const activations & x, int chunk, int elements, int column,
                         float * out, std::size_t out_stride) {
    const float * values = x.values + (std::size_t(chunk) * x.columns + column) * chunk_elements;
    typename V::floats total[V::row_vectors][columns];
    for (int c = 0; c < columns; c++)
        for (int v = 0; v < V::row_vectors; v++)
            total[v][c] = chunk == 0 ? V::zero() : V::load(out + c * out_stride + v * V::lanes);
    for (int i = 0; i < elements; i++) {
        typename V::floats w[V::row_vectors];
        for (int v = 0; v < V::row_vectors; v++)
            w[v] = V::load(weights.values + i * float_panel<V>::rows + v * V::lanes);
        for (int c = 0; c < columns; c++) {
            const auto value = V::broadcast(values[c * chunk_elements + i]);
            for (int v = 0; v < V::row_vectors; v++) total[v][c] = V::multiply_add(w[v], value, total[v][c]);
        }
    }
    for (int c = 0; c < columns; c++)
        for (int v = 0; v < V::row_vectors; v++) V::store(out + c * out_stride + v * V::lanes, total[v][c]);
}

template <typename V, int columns = V::float_columns>
void multiply_float_tiles(const float_panel<V> & weights, const activations & x, int chunk, int elements, int column,
                          float * out, std::size_t out_stride) {
    for (; column + columns <= x.columns; column += columns)
        multiply_float_tile<V, columns>(weights, x, chunk, elements, column, out + column * out_stride, out_stride);
    if constexpr (columns > 1) {
        if (column < x.columns)
            multiply_float_tiles<V, columns - 1>(weights, x, chunk, elements, column, out, out_stride);
    }
}

template <weight_type type, typename V>
void multiply_float_range(const row_range & range, const activations & x, std::uint8_t * memory) {
    auto & work = *reinterpret_cast<float_scratch<V> *>(memory);
    constexpr int rows = float_panel<V>::rows;
    const bool whole = range.count == rows && !range.outs;
    float * out = whole ? range.out : work.part;
    const std::size_t stride = whole ? range.out_stride : rows;
    reading_ahead<V> ahead{ range.ahead.begin, range.ahead.begin + range.ahead.size };
    for (int chunk = 0; chunk * chunk_elements < x.elements; chunk++) {
        const int left = x.elements - chunk * chunk_elements;
        const int elements = left < chunk_elements ? left : chunk_elements;
        widen_rows<type, V>(range, chunk, elements, work.weights, ahead);
        multiply_float_tiles<V>(work.weights, x, chunk, elements, 0, out, stride);
    }
    if (!whole) give_out_part(range, x.columns, work.part, rows);
}

// The activations of a column, laid beside those of the others.
inline void copy_row(const float * row, int column, int chunk, int end, const activations & to) {
    for (; chunk < end; chunk++) {
        const int left = to.elements - chunk * chunk_elements;
        float * place = to.values + (std::size_t(chunk) * to.columns + column) * chunk_elements;
        std::memcpy(place, row + chunk * chunk_elements,
                    sizeof(float) * std::size_t(left < chunk_elements ? left : chunk_elements));
    }
}

template <typename V> void add_floats(leaf & to) {
    to.quantize[int(weight_type::f16)] = to.quantize[int(weight_type::bf16)] = copy_row;
    to.multiply[int(weight_type::f16)] = multiply_float_range<weight_type::f16, V>;
    to.multiply[int(weight_type::bf16)] = multiply_float_range<weight_type::bf16, V>;
    if (to.scratch_bytes < sizeof(float_scratch<V>)) to.scratch_bytes = sizeof(float_scratch<V>);
}

}  // namespace
}  // namespace overfill::kernels
