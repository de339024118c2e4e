// For this room only (it includes llama.cpp's internals): the cache objects of a context.
#pragma once

#include "llama-context.h"
#include "llama-kv-cache-iswa.h"
#include "llama-kv-cache.h"

#include <vector>

namespace overfill {

// Full before sliding; empty for kinds of memory that are not handed over.
inline std::vector<llama_kv_cache *> caches_of(const llama_context * ctx) {
    llama_memory_i * memory = ctx->get_memory();
    if (const auto * both = dynamic_cast<const llama_kv_cache_iswa *>(memory))
        return { both->get_base(), both->get_swa() };
    if (auto * one = dynamic_cast<llama_kv_cache *>(memory)) return { one };
    return {};
}

}  // namespace overfill
