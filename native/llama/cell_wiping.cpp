#include "cell_wiping.h"

#include "cache_cells.h"
#include "cache_tensors.h"
#include "memory_parts.h"

#include <ggml-backend.h>

namespace overfill {

// Row i of [n, n_rows, n_stream], n times the size of a value or block.
static void wipe_row(ggml_tensor * t, size_t row, size_t stream) {
    ggml_backend_tensor_memset(t, 0, row * t->nb[1] + stream * t->nb[2], t->nb[1]);
}

static void wipe(const llama_kv_cache & cache, llama_seq_id sequence, llama_pos from) {
    const llama_kv_cells & cells = cache.get_cells(sequence);
    const size_t stream = stream_in(cache, sequence), n_cells = cache.get_size();
    for (const cache_tensors & tensors : tensors_of(cache))
        for (uint32_t i = 0; i < cells.used_max_p1(); i++) {
            if (cells.is_empty(i) || !cells.seq_has(i, sequence) || cells.seq_count(i) > 1 || cells.pos_get(i) < from)
                continue;
            wipe_row(tensors.k, i, stream);
            ggml_tensor * v = tensors.v;
            if (!v) continue;
            if (!is_transposed(cache)) {
                wipe_row(v, i, stream);
                continue;
            }
            // [n_cells, n_embd_v_gqa], as the same bytes
            const size_t size = ggml_element_size(v);
            for (size_t channel = 0; channel < (size_t) v->ne[0]; channel++)
                ggml_backend_tensor_memset(v, 0, stream * v->nb[2] + (channel * n_cells + i) * size, size);
        }
}

static void wipe(const llama_memory_recurrent & states, llama_seq_id sequence) {
    const int32_t at = states.cells[(size_t) sequence].tail;
    if (at < 0 || states.cells[(size_t) at].seq_id.size() > 1) return;
    for (const auto * layers : { &states.r_l, &states.s_l, &states.p_l })
        for (ggml_tensor * t : *layers)
            if (t) wipe_row(t, (size_t) at, 0);
}

void wipe_cells(llama_context * ctx, llama_seq_id sequence, llama_pos from) {
    const memory_parts parts = parts_of(ctx);
    for (llama_kv_cache * cache : parts.caches) wipe(*cache, sequence, from);
    if (parts.state) wipe(*parts.state, sequence);
}

}  // namespace overfill
