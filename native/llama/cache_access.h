// For this room only (it includes llama.cpp's internals): the cache objects of a context.
#pragma once

#include "context_memory.h"
#include "llama-kv-cache-iswa.h"
#include "llama-kv-cache.h"

#include <vector>

namespace overfill {

// Full before sliding; empty for kinds of memory that are not handed over.
inline std::vector<llama_kv_cache *> caches_of(const llama_context * ctx) {
    llama_memory_i * memory = memory_of(ctx);
    if (const auto * both = dynamic_cast<const llama_kv_cache_iswa *>(memory))
        return { both->get_base(), both->get_swa() };
    if (auto * one = dynamic_cast<llama_kv_cache *>(memory)) return { one };
    return {};
}

struct cache_types {
    ggml_type k, v;
};

// All caches of a context have the same types. A model whose layers are all sliding, or all full, has one cache without
// layers, which llama.cpp cannot ask for its types.
inline cache_types types_of(const std::vector<llama_kv_cache *> & caches) {
    for (const llama_kv_cache * cache : caches)
        if (!cache->get_layer_ids().empty()) return { cache->type_k(), cache->type_v() };
    return { GGML_TYPE_F16, GGML_TYPE_F16 };
}

}  // namespace overfill
