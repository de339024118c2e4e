#include "cache_rows.h"

#include "failure.h"
#include "kv_cells.h"
#include "rotation.h"

#include <ggml-backend.h>

#include <algorithm>

namespace overfill {

cache_rows::cache_rows(const llama_context * ctx) : ctx_(ctx), views_(view_kv(ctx)) {
    for (size_t cache = 0; cache < views_.size(); cache++)
        for (size_t entry = 0; entry < views_[cache].layers.size(); entry++) {
            const kv_layer_view & layer = views_[cache].layers[entry];
            if (layers_.size() <= layer.layer) {
                layers_.resize(layer.layer + 1);
                has_layer_.resize(layer.layer + 1);
            }
            layers_[layer.layer] = { cache, entry, (uint32_t) layer.k->ne[0], (uint32_t) layer.v->ne[0] };
            has_layer_[layer.layer] = true;
        }
}

const cached_layer * cache_rows::layer(uint32_t layer) const {
    return layer < layers_.size() && has_layer_[layer] ? &layers_[layer] : nullptr;
}

void cache_rows::read(const cached_layer & at, const ggml_tensor * tensor, uint32_t n_embd, bool transposed, uint32_t n,
                      std::vector<float> & rows) const {
    const std::vector<kv_cell> cells = cells_of(ctx_, at.cache, 0);
    bool complete = cells.size() == n;
    for (uint32_t i = 0; complete && i < n; i++) complete = cells[i].position == (llama_pos) i;
    if (!complete)
        throw failure(error_code::inference_failed,
                      "the KV cache holds " + std::to_string(cells.size()) + " of " + std::to_string(n) + " tokens");

    rows.resize((size_t) n * n_embd);
    if (transposed) {
        const size_t n_cells = views_[at.cache].n_cells;
        stored_.resize(n_cells * n_embd);
        ggml_backend_tensor_get(tensor, stored_.data(), 0, stored_.size() * sizeof(float));
        for (uint32_t i = 0; i < n; i++)
            for (uint32_t c = 0; c < n_embd; c++) rows[(size_t) i * n_embd + c] = stored_[c * n_cells + cells[i].index];
        return;
    }
    // Cells that lie next to each other come over together.
    const size_t row_bytes = n_embd * sizeof(float);
    for (uint32_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && cells[end].index == cells[end - 1].index + 1; end++) {
        }
        ggml_backend_tensor_get(tensor, rows.data() + (size_t) i * n_embd, cells[i].index * row_bytes,
                                (end - i) * row_bytes);
    }
}

void cache_rows::read_k(uint32_t layer, uint32_t n, std::vector<float> & rows) const {
    const cached_layer & at = layers_[layer];
    read(at, views_[at.cache].layers[at.entry].k, at.n_embd_k, false, n, rows);
}

void cache_rows::read_v(uint32_t layer, uint32_t n, std::vector<float> & rows) const {
    const cached_layer & at = layers_[layer];
    read(at, views_[at.cache].layers[at.entry].v, at.n_embd_v, views_[at.cache].v_transposed, n, rows);
}

void cache_rows::read_k_before_rope(uint32_t layer, uint32_t n, uint32_t head_size, std::vector<float> & rows) const {
    read_k(layer, n, rows);
    const rope_parameters rope = rope_of(ctx_, layer);
    if (rope.none()) return;
    if (!rope.plain())
        throw failure(error_code::handover_unavailable,
                      "the position encoding of layer " + std::to_string(layer) +
                          " has several dimensions and cannot be undone; set beforeRope to false");
    const rotation undo(rope, rotation::direction::back);
    const uint32_t n_embd = layers_[layer].n_embd_k;
    std::vector<float> table(2 * undo.n_pairs());
    for (uint32_t i = 0; i < n; i++) {
        undo.fill((llama_pos) i, table.data());
        undo.apply(table.data(), rows.data() + (size_t) i * n_embd, n_embd / head_size, head_size);
    }
}

}  // namespace overfill
