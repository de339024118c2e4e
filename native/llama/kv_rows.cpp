#include "kv_rows.h"

#include "cache_cells.h"
#include "cache_tensors.h"
#include "failure.h"
#include "memory_parts.h"

#include <ggml-backend.h>

namespace overfill {

kv_rows::kv_rows(llama_context * ctx, const std::vector<int32_t> & layer_map) : ctx_(ctx) {
    const std::vector<llama_kv_cache *> caches = parts_of(ctx).caches;
    n_caches_ = caches.size();
    for (size_t c = 0; c < n_caches_; c++) {
        const size_t n_cells = caches[c]->get_size();
        const auto rows = [&](ggml_tensor * t) { return part{ c, t, t->nb[1], 1, t->nb[1], 0, t->nb[2] }; };
        for (const cache_tensors & tensors : tensors_of(*caches[c], layer_map)) {
            parts_.push_back(rows(tensors.k));
            ggml_tensor * v = tensors.v;
            if (!v) continue;
            const size_t value = ggml_element_size(v);
            parts_.push_back(is_transposed(*caches[c])
                                 ? part{ c, v, value, (size_t) v->ne[0], value, n_cells * value, v->nb[2] }
                                 : rows(v));
        }
    }
    for (const part & p : parts_) token_bytes_ += p.piece_bytes * p.n_pieces;
}

// Calls fn(cell, i, n) for each run of tokens whose cells follow one another.
template <class Fn> static void for_runs(const std::vector<uint32_t> & cells, Fn fn) {
    for (uint32_t i = 0, n; i < cells.size(); i += n) {
        n = 1;
        while (i + n < cells.size() && cells[i + n] == cells[i] + n) n++;
        fn(cells[i], i, n);
    }
}

void kv_rows::read(llama_seq_id sequence, llama_pos from, uint32_t n, uint8_t * out) const {
    const std::vector<llama_kv_cache *> caches = parts_of(ctx_).caches;
    std::vector<std::vector<uint32_t>> cells(n_caches_);
    for (size_t c = 0; c < n_caches_; c++) {
        // A model whose layers are all sliding, or all full, has one cache without layers; it has the cells even so.
        for (const kv_cell & cell : cells_in(*caches[c], sequence, from)) {
            if (cells[c].size() == n) break;
            if (cell.position != from + (llama_pos) cells[c].size()) break;
            cells[c].push_back(cell.index);
        }
        if (cells[c].size() != n) throw failure(error_code::internal, "the cache lacks tokens that it is to hold");
    }
    for (const part & p : parts_) {
        const size_t stream = stream_in(*caches[p.cache], sequence) * p.stream_stride;
        for_runs(cells[p.cache], [&](uint32_t cell, uint32_t i, uint32_t n_run) {
            const size_t at = stream + cell * p.token_stride, bytes = n_run * p.piece_bytes;
            uint8_t * to = out + i * p.piece_bytes;
            if (p.n_pieces == 1)
                ggml_backend_tensor_get(p.tensor, to, at, bytes);
            else
                ggml_backend_tensor_get_2d(p.tensor, to, at, bytes, p.n_pieces, p.piece_stride, n * p.piece_bytes);
        });
        out += n * p.piece_bytes * p.n_pieces;
    }
}

void kv_rows::write(llama_seq_id sequence, llama_pos position, const llama_token * tokens, uint32_t n,
                    const stored_tokens & from, uint32_t first) const {
    const std::vector<llama_kv_cache *> caches = parts_of(ctx_).caches;
    std::vector<llama_pos> positions;
    for (uint32_t i = 0; i < n; i++) positions.push_back(position + (llama_pos) i);
    std::vector<std::vector<uint32_t>> cells;
    for (llama_kv_cache * cache : caches) cells.push_back(take_cells_in(ctx_, *cache, sequence, positions, tokens));
    const uint8_t * in = from.bytes;
    for (const part & p : parts_) {
        const size_t stream = stream_in(*caches[p.cache], sequence) * p.stream_stride;
        for_runs(cells[p.cache], [&](uint32_t cell, uint32_t i, uint32_t n_run) {
            const size_t at = stream + cell * p.token_stride, bytes = n_run * p.piece_bytes;
            const uint8_t * rows = in + (first + i) * p.piece_bytes;
            if (p.n_pieces == 1)
                ggml_backend_tensor_set(p.tensor, rows, at, bytes);
            else
                ggml_backend_tensor_set_2d(p.tensor, rows, at, bytes, p.n_pieces, p.piece_stride,
                                           from.n_tokens * p.piece_bytes);
        });
        in += from.n_tokens * p.piece_bytes * p.n_pieces;
    }
}

}  // namespace overfill
