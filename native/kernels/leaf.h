// What is written once for each instruction set: making bytes of activations, and multiplying a panel of rows with
// them. Every number of a product is made in the same order whatever the leaf, the rows beside it, the columns beside
// it and the threads: group by group, each group's sum exact in integers, then one fused multiply-add; of weights that
// are numbers themselves element by element. So the same row gives the same bits alone and in any batch, and on any
// processor that has one of the leaves.
#pragma once

#include "half_rows.h"
#include "weight_format.h"

#include <cstddef>
#include <cstdint>

namespace overfill::kernels {

// Elements of a row that are unpacked and multiplied at once, for all columns. A multiple of every block.
constexpr int chunk_elements = 256;

// Activations of all columns. Chunk by chunk, and in a chunk column by column, since that is how they are read:
// q[chunk][column][256], and likewise the rest with as many elements as 256 have groups or blocks.
struct activations {
    int columns = 0;
    // Of a row; the last chunk may be shorter, but has as much room.
    int elements = 0;
    // Of weights that are numbers themselves the activations as they are, laid as `q`; then the rest is null.
    float * values = nullptr;
    std::int8_t * q = nullptr;
    // Of each activation block.
    float * scales = nullptr;
    // Of each group: -zero times the sum of its q.
    std::int32_t * corrections = nullptr;
    // Of each group the sum of its q; only of types with minimums.
    float * sums = nullptr;
};

// Bytes in memory.
struct stretch {
    const std::uint8_t * begin = nullptr;
    std::size_t size = 0;
};

// Rows of weights, and where their products go: out[column * out_stride + row].
struct row_range {
    const std::uint8_t * rows = nullptr;
    std::size_t row_stride = 0;
    int count = 0;
    float * out = nullptr;
    std::size_t out_stride = 0;
    // If given, each column's products go to a place of its own instead: outs[column][row].
    float * const * outs = nullptr;
    // Of the product the row that the range begins with.
    int first = 0;
    // What will be read next is fetched meanwhile.
    stretch ahead;
};

struct leaf {
    const char * name;
    // Of a panel. A range's count may be any number up to it.
    int panel_rows;
    // Bytes that `multiply` works in; aligned to 64.
    std::size_t scratch_bytes;
    void (*fetch)(const stretch & bytes);
    // Makes bytes of one column's floats, from one chunk to before another. Null for types that the leaf has no way
    // with.
    void (*quantize[weight_type_count])(const float * row, int column, int chunk, int end, const activations & to);
    void (*multiply[weight_type_count])(const row_range & rows, const activations & columns, std::uint8_t * scratch);
    // If there is one: up to `most_few` columns, whose products are in `out`.
    void (*multiply_few[weight_type_count])(const row_range & rows, const activations & columns);
    int most_few[weight_type_count];

    bool has_few(weight_type type, int columns) const { return columns <= most_few[int(type)]; }
    // If there is one.
    half_rows_to_q8_0 halves_to_q8_0;
};

// Those that were compiled in and that this processor has, the fastest first; the last one is plain C++.
const leaf * const * leaves(int * count);

}  // namespace overfill::kernels
