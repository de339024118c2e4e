#include "stored_rows.h"

#include "stream_copy.h"
#include "transpose.h"

#include <ggml-backend.h>
#include <ggml-cpp.h>

#include <algorithm>
#include <cstring>
#include <new>

namespace overfill {

stored_rows compact_rows(const kv_storage & storage, uint32_t n, uint8_t * data) {
    stored_rows rows;
    rows.data = data;
    rows.row_bytes = storage.row_bytes();
    rows.value_bytes = ggml_type_size(storage.type());
    rows.n_embd = storage.n_embd();
    rows.n_cells = n;
    rows.transposed = storage.transposed;
    return rows;
}

stored_rows rows_of(const kv_storage & storage, uint32_t stream) {
    uint8_t * data = (uint8_t *) storage.tensor->data + stream * storage.stream_bytes();
    return compact_rows(storage, storage.n_cells, data);
}

// A tile is a cache line's worth of channels of a few hundred cells. It stays in the first-level cache, is read and
// written in whole lines, and its rows lie close together, where those of a cache would fall into the same few sets.
// The tiles of the same channels come after each other, because every channel lies on pages of its own.
template <class Value> constexpr uint32_t tile_channels = 64 / sizeof(Value);
constexpr uint32_t tile_cells = 256;

// A tile as rows, one a cell, and as columns, one a channel.
template <class Value> struct tile {
    alignas(64) Value rows[tile_cells][tile_channels<Value>];
    alignas(64) Value columns[tile_channels<Value>][tile_cells];
};

// Calls work(first cell, number of cells, first channel, number of channels) for every tile.
template <class Value, class Work> static void each_tile(uint32_t n, uint32_t n_embd, const Work & work) {
    constexpr uint32_t width = tile_channels<Value>;
    for (uint32_t channel = 0; channel < n_embd; channel += width)
        for (uint32_t first = 0; first < n; first += tile_cells)
            work(first, std::min(tile_cells, n - first), channel, std::min(width, n_embd - channel));
}

static bool one_run(const uint32_t * cells, uint32_t n) {
    for (uint32_t i = 1; i < n; i++)
        if (cells[i] != cells[0] + i) return false;
    return true;
}

template <class Value>
static void gather(const stored_rows & from, const uint32_t * cells, uint32_t n, const stored_rows & to,
                   const uint32_t * rows) {
    constexpr uint32_t width = tile_channels<Value>;
    tile<Value> t;
    each_tile<Value>(n, from.n_embd, [&](uint32_t first, uint32_t n_here, uint32_t c0, uint32_t n_channels) {
        const uint32_t * here = cells + first;
        const bool run = one_run(here, n_here);
        for (uint32_t c = 0; c < n_channels; c++) {
            const Value * channel = (const Value *) from.data + (size_t) (c0 + c) * from.n_cells;
            if (run)
                std::memcpy(t.columns[c], channel + here[0], n_here * sizeof(Value));
            else
                for (uint32_t i = 0; i < n_here; i++) t.columns[c][i] = channel[here[i]];
        }
        transpose(t.columns[0], tile_cells, t.rows[0], width, n_channels, n_here);
        for (uint32_t i = 0; i < n_here; i++) {
            stream_copy((Value *) to.row(rows[first + i]) + c0, t.rows[i], n_channels * sizeof(Value));
        }
    });
}

template <class Value>
static void scatter(const stored_rows & from, const uint32_t * rows, uint32_t n, const stored_rows & to,
                    const uint32_t * cells) {
    constexpr uint32_t width = tile_channels<Value>;
    tile<Value> t;
    each_tile<Value>(n, to.n_embd, [&](uint32_t first, uint32_t n_here, uint32_t c0, uint32_t n_channels) {
        for (uint32_t i = 0; i < n_here; i++) {
            const Value * row = (const Value *) from.row(rows[first + i]) + c0;
            n_channels == width ? std::memcpy(t.rows[i], row, 64)
                                : std::memcpy(t.rows[i], row, n_channels * sizeof(Value));
        }
        transpose(t.rows[0], width, t.columns[0], tile_cells, n_here, n_channels);
        const uint32_t * here = cells + first;
        const bool run = one_run(here, n_here);
        for (uint32_t c = 0; c < n_channels; c++) {
            Value * channel = (Value *) to.data + (size_t) (c0 + c) * to.n_cells;
            if (run)
                stream_copy(channel + here[0], t.columns[c], n_here * sizeof(Value));
            else
                for (uint32_t i = 0; i < n_here; i++) channel[here[i]] = t.columns[c][i];
        }
    });
}

void rows_from_transposed(const stored_rows & from, const uint32_t * cells, uint32_t n, const stored_rows & to,
                          const uint32_t * rows) {
    (from.value_bytes == 2 ? gather<uint16_t> : gather<uint32_t>) (from, cells, n, to, rows);
}

void transposed_from_rows(const stored_rows & from, const uint32_t * rows, uint32_t n, const stored_rows & to,
                          const uint32_t * cells) {
    (to.value_bytes == 2 ? scatter<uint16_t> : scatter<uint32_t>) (from, rows, n, to, cells);
}

std::vector<cell_run> runs_of(const std::vector<cell_move> & moves) {
    std::vector<cell_run> runs;
    for (const cell_move & move : moves) {
        if (!runs.empty() && runs.back().from + runs.back().n == move.from && runs.back().to + runs.back().n == move.to)
            runs.back().n++;
        else
            runs.push_back({ move.from, move.to, 1 });
    }
    return runs;
}

void append_byte_moves(const stored_rows & from, const stored_rows & to, const std::vector<cell_run> & runs,
                       size_t largest, std::vector<byte_move> & out) {
    const auto append = [&](const uint8_t * source, uint8_t * target, size_t n_bytes) {
        for (size_t at = 0; at < n_bytes; at += largest)
            out.push_back({ source + at, target + at, std::min(largest, n_bytes - at) });
    };
    for (const cell_run & run : runs) {
        if (!from.transposed) {
            append(from.row(run.from), to.row(run.to), run.n * from.row_bytes);
            continue;
        }
        for (size_t c = 0; c < from.n_embd; c++)
            append(from.data + (c * from.n_cells + run.from) * from.value_bytes,
                   to.data + (c * to.n_cells + run.to) * to.value_bytes, run.n * from.value_bytes);
    }
}

// A cache's tensor may be wider than the row (padded V), so offsets go by its own size.
void fetch_cells(const kv_storage & from, uint32_t stream, const std::vector<cell_run> & runs, const stored_rows & to) {
    const size_t begin = stream * from.stream_bytes();
    size_t done = 0;
    for (const cell_run & run : runs) {
        if (!from.transposed)
            ggml_backend_tensor_get(from.tensor, to.row((uint32_t) done), begin + run.from * to.row_bytes,
                                    run.n * to.row_bytes);
        else
            ggml_backend_tensor_get_2d(from.tensor, to.data + done * to.value_bytes, begin + run.from * to.value_bytes,
                                       run.n * to.value_bytes, to.n_embd, from.n_cells * to.value_bytes,
                                       to.n_cells * to.value_bytes);
        done += run.n;
    }
}

void send_cells(const stored_rows & from, const std::vector<cell_run> & runs, const kv_storage & to, uint32_t stream) {
    const size_t begin = stream * to.stream_bytes();
    size_t done = 0;
    for (const cell_run & run : runs) {
        if (!to.transposed)
            ggml_backend_tensor_set(to.tensor, from.row((uint32_t) done), begin + run.to * from.row_bytes,
                                    run.n * from.row_bytes);
        else
            ggml_backend_tensor_set_2d(to.tensor, from.data + done * from.value_bytes,
                                       begin + run.to * from.value_bytes, run.n * from.value_bytes, from.n_embd,
                                       to.n_cells * from.value_bytes, from.n_cells * from.value_bytes);
        done += run.n;
    }
}

void repeat_last_cell(const stored_rows & rows, uint32_t n) {
    for (uint32_t cell = n; cell < rows.n_cells; cell++) {
        if (!rows.transposed) {
            std::memcpy(rows.row(cell), rows.row(n - 1), rows.row_bytes);
            continue;
        }
        for (size_t c = 0; c < rows.n_embd; c++) {
            uint8_t * channel = rows.data + c * rows.n_cells * rows.value_bytes;
            std::memcpy(channel + cell * rows.value_bytes, channel + (n - 1) * rows.value_bytes, rows.value_bytes);
        }
    }
}

void copy_cells(const translate_step & step, uint32_t from_stream, uint32_t to_stream,
                const std::vector<cell_run> & runs, std::vector<uint8_t> & staging) {
    if (runs.empty()) return;
    if (step.from.transposed) {
        size_t n = 0;
        for (const cell_run & run : runs) n += run.n;
        staging.resize(n * step.from.row_bytes());
        const stored_rows here = compact_rows(step.from, (uint32_t) n, staging.data());
        fetch_cells(step.from, from_stream, runs, here);
        send_cells(here, runs, step.to, to_stream);
        return;
    }
    const ggml_context_ptr ctx{ ggml_init({ 2 * ggml_tensor_overhead(), nullptr, /*no_alloc*/ true }) };
    if (!ctx) throw std::bad_alloc();
    const auto view = [&](const kv_storage & s, uint32_t stream, uint32_t cell, uint32_t n) {
        return ggml_view_2d(ctx.get(), s.tensor, s.n_embd(), n, s.row_bytes(),
                            stream * s.stream_bytes() + cell * s.row_bytes());
    };
    for (const cell_run & run : runs) {
        ggml_reset(ctx.get());
        ggml_tensor * from = view(step.from, from_stream, run.from, run.n);
        ggml_tensor * to = view(step.to, to_stream, run.to, run.n);
        // A view refers to its source's memory but is not put into its buffer by itself.
        from->buffer = step.from.tensor->buffer;
        to->buffer = step.to.tensor->buffer;
        ggml_backend_tensor_copy(from, to);
    }
}

}  // namespace overfill
