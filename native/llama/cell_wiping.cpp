#include "cell_wiping.h"

#include "context_memory.h"
#include "llama-kv-cache-iswa.h"
#include "llama-kv-cache.h"
#include "llama-memory-hybrid-iswa.h"
#include "llama-memory-hybrid.h"
#include "llama-memory-recurrent.h"
#include "llama-model.h"
#include "private_members.h"

#include <ggml-backend.h>
#include <ggml-cpp.h>

namespace overfill {

// Row i of [n, n_rows, n_stream], n times the size of a value or block.
static void wipe_row(ggml_tensor * t, size_t row, size_t stream) {
    ggml_backend_tensor_memset(t, 0, row * t->nb[1] + stream * t->nb[2], t->nb[1]);
}

// `latent`: there is no V.
static void wipe(llama_kv_cache * cache, bool latent, llama_seq_id sequence, llama_pos from) {
    const llama_kv_cells & cells = cache->get_cells(sequence);
    const bool streams = cache->get_n_stream() > 1, v_transposed = cache->*get(reach::cache_v_trans());
    llama_kv_cache::slot_info slot;
    slot.s0 = slot.s1 = 0;
    const ggml_context_ptr scratch{ ggml_init({ 2 * ggml_tensor_overhead(), nullptr, /*no_alloc*/ true }) };
    for (const uint32_t layer : cache->get_layer_ids()) {
        ggml_reset(scratch.get());
        ggml_tensor * k = cache->get_k_storage((int32_t) layer);
        // A view of V names what it is a view of; the cache does not.
        ggml_tensor * v = latent ? nullptr : cache->get_v(scratch.get(), (int32_t) layer, 1, slot)->view_src;
        const size_t stream = streams ? (size_t) sequence : 0;
        for (uint32_t i = 0; i < cells.used_max_p1(); i++) {
            if (cells.is_empty(i) || !cells.seq_has(i, sequence) || cells.seq_count(i) > 1 || cells.pos_get(i) < from)
                continue;
            wipe_row(k, i, stream);
            if (!v) continue;
            if (!v_transposed) {
                wipe_row(v, i, stream);
                continue;
            }
            // [n_cells, n_embd_v_gqa], as the same bytes
            const size_t size = ggml_element_size(v), n_cells = cache->get_size();
            for (size_t channel = 0; channel < (size_t) v->ne[0]; channel++)
                ggml_backend_tensor_memset(v, 0, stream * v->nb[2] + (channel * n_cells + i) * size, size);
        }
    }
}

static void wipe(llama_kv_cache_iswa * caches, bool latent, llama_seq_id sequence, llama_pos from) {
    wipe(caches->get_base(), latent, sequence, from);
    wipe(caches->get_swa(), latent, sequence, from);
}

static void wipe(llama_memory_recurrent * states, llama_seq_id sequence) {
    const int32_t at = states->cells[(size_t) sequence].tail;
    if (at < 0 || states->cells[(size_t) at].seq_id.size() > 1) return;
    for (const auto * layers : { &states->r_l, &states->s_l })
        for (ggml_tensor * t : *layers)
            if (t) wipe_row(t, (size_t) at, 0);
}

void wipe_cells(llama_context * ctx, llama_seq_id sequence, llama_pos from) {
    llama_memory_i * memory = memory_of(ctx);
    const bool latent = ctx->get_model().hparams.is_mla();
    if (auto * both = dynamic_cast<llama_memory_hybrid *>(memory)) {
        wipe(both->get_mem_attn(), latent, sequence, from);
        wipe(both->get_mem_recr(), sequence);
    } else if (auto * three = dynamic_cast<llama_memory_hybrid_iswa *>(memory)) {
        wipe(three->get_mem_attn(), latent, sequence, from);
        wipe(three->get_mem_recr(), sequence);
    } else if (auto * windows = dynamic_cast<llama_kv_cache_iswa *>(memory)) {
        wipe(windows, latent, sequence, from);
    } else if (auto * cache = dynamic_cast<llama_kv_cache *>(memory)) {
        wipe(cache, latent, sequence, from);
    } else if (auto * states = dynamic_cast<llama_memory_recurrent *>(memory)) {
        wipe(states, sequence);
    }
}

}  // namespace overfill
