// For this room only (it includes llama.cpp's internals): the caches and the state that a context's memory is made of.
#pragma once

#include "llama-kv-cache.h"
#include "llama-memory-recurrent.h"

#include <llama.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace overfill {

struct memory_parts {
    std::vector<llama_kv_cache *> caches;
    bool mirrors = false;  // the last cache has the cells of the one before it
    llama_memory_recurrent * state = nullptr;
    bool known = true;
};

memory_parts parts_of(const llama_context * ctx);

// Whether V lies channel by channel.
bool is_transposed(const llama_kv_cache & cache);

// Of K and V of all layers.
size_t bytes_per_cell(const llama_kv_cache & cache);

}  // namespace overfill
