// Where the rows of K or V lie in memory that this process can address: a stream of a cache, or a staging copy of the
// cells that are moved.
#pragma once

#include "translation.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace overfill {

struct stored_rows {
    uint8_t * data = nullptr;
    size_t row_bytes = 0;    // of a cell's values, without gaps
    size_t value_bytes = 0;  // of one value; transposed rows only
    uint32_t n_embd = 0;
    uint32_t n_cells = 0;
    bool transposed = false;

    uint8_t * row(uint32_t cell) const { return data + cell * row_bytes; }
};

// The rows of a stream of a cache in host memory.
stored_rows rows_of(const kv_storage & storage, uint32_t stream);
// Rows of the same form for n cells, at `data`.
stored_rows compact_rows(const kv_storage & storage, uint32_t n, uint8_t * data);

// Turns cells of transposed rows into ordinary rows, and back: cells[i] of the one is rows[i] of the other.
void rows_from_transposed(const stored_rows & from, const uint32_t * cells, uint32_t n, const stored_rows & to,
                          const uint32_t * rows);
void transposed_from_rows(const stored_rows & from, const uint32_t * rows, uint32_t n, const stored_rows & to,
                          const uint32_t * cells);

// Moves next to each other on both sides.
struct cell_run {
    uint32_t from, to, n;
};
std::vector<cell_run> runs_of(const std::vector<cell_move> & moves);

// A piece of memory that moves as it is.
struct byte_move {
    const uint8_t * from;
    uint8_t * to;
    size_t n_bytes;
};
// The pieces of a step whose bytes move as they are, none larger than `largest`.
void append_byte_moves(const stored_rows & from, const stored_rows & to, const std::vector<cell_run> & runs,
                       size_t largest, std::vector<byte_move> & out);

// Between a cache on a device and compact rows in host memory, in the order of the moves.
void fetch_cells(const kv_storage & from, uint32_t stream, const std::vector<cell_run> & runs, const stored_rows & to);
void send_cells(const stored_rows & from, const std::vector<cell_run> & runs, const kv_storage & to, uint32_t stream);

// Fills the cells from n on with copies of the one before.
void repeat_last_cell(const stored_rows & rows, uint32_t n);

// Copies the cells of a raw step where they are, between any devices; through `staging` where ggml has no strided copy.
void copy_cells(const translate_step & step, uint32_t from_stream, uint32_t to_stream,
                const std::vector<cell_run> & runs, std::vector<uint8_t> & staging);

}  // namespace overfill
