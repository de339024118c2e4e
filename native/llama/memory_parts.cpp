#include "memory_parts.h"

#include "cache_tensors.h"
#include "context_memory.h"
#include "llama-kv-cache-dsa-iswa.h"
#include "llama-kv-cache-dsa.h"
#include "llama-kv-cache-iswa.h"
#include "llama-kv-cache-msa.h"
#include "llama-memory-hybrid-idx.h"
#include "llama-memory-hybrid-iswa.h"
#include "llama-memory-hybrid.h"
#include "private_members.h"

namespace overfill {

memory_parts parts_of(const llama_context * ctx) {
    llama_memory_i * memory = memory_of(ctx);
    memory_parts out;
    const auto add = [&](llama_kv_cache * cache) { out.caches.push_back(cache); };
    const auto add_both = [&](const llama_kv_cache_iswa & both) {
        add(both.get_base());
        add(both.get_swa());
    };
    if (auto * one = dynamic_cast<llama_kv_cache *>(memory)) {
        add(one);
    } else if (const auto * two = dynamic_cast<llama_kv_cache_iswa *>(memory)) {
        add_both(*two);
    } else if (const auto * sparse = dynamic_cast<llama_kv_cache_dsa *>(memory)) {
        add(sparse->get_mla());
        add(sparse->get_lid());
    } else if (const auto * windows = dynamic_cast<llama_kv_cache_dsa_iswa *>(memory)) {
        add(windows->get_dsa()->get_mla());
        add(windows->get_dsa()->get_lid());
        add(windows->get_swa());
    } else if (const auto * blocks = dynamic_cast<llama_kv_cache_msa *>(memory)) {
        add(blocks->get_base());
        add(blocks->get_idx());
    } else if (auto * state = dynamic_cast<llama_memory_recurrent *>(memory)) {
        out.state = state;
    } else if (const auto * both = dynamic_cast<llama_memory_hybrid *>(memory)) {
        add(both->get_mem_attn());
        out.state = both->get_mem_recr();
        const auto * chosen = dynamic_cast<const llama_memory_hybrid_idx *>(both);
        if (chosen && chosen->get_mem_idx()) {
            add(chosen->get_mem_idx());
            out.mirrors = true;
        }
    } else if (const auto * three = dynamic_cast<llama_memory_hybrid_iswa *>(memory)) {
        add_both(*three->get_mem_attn());
        out.state = three->get_mem_recr();
    } else {
        out.known = false;
    }
    return out;
}

bool is_transposed(const llama_kv_cache & cache) { return cache.*get(reach::cache_v_trans()); }

size_t bytes_per_cell(const llama_kv_cache & cache) {
    size_t n = 0;
    for (const cache_tensors & tensors : tensors_of(cache)) n += tensors.k->nb[1] + (tensors.v ? tensors.v->nb[1] : 0);
    return n;
}

}  // namespace overfill
