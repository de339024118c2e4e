// For this room only (it includes llama.cpp's internals): the tensors that a cache keeps K and V in.
#pragma once

#include "llama-kv-cache.h"

#include <cstdint>
#include <vector>

namespace overfill {

struct cache_tensors {
    uint32_t layer;
    ggml_tensor * k;  // [width, n_cells, n_stream]
    ggml_tensor * v;  // the same; null where V is a part of K (MLA)
};

// In the cache's order. Not of a cache that uses another one's tensors.
std::vector<cache_tensors> tensors_of(const llama_kv_cache & cache);
// Of the layers that a model uses that shares the cache through a layer map, numbered as its own; all of them without
// one.
std::vector<cache_tensors> tensors_of(const llama_kv_cache & cache, const std::vector<int32_t> & layer_map);

}  // namespace overfill
