#include "cache_tensors.h"

#include <ggml-backend.h>
#include <ggml-cpp.h>

namespace overfill {

// The cache tells its K tensors, and V only of layers that have one.
static bool has_v(const llama_kv_cache & cache, const std::vector<uint32_t> & layers) {
    uint64_t of_k = 0, all = 0, least_of_v = 0;
    for (const uint32_t layer : layers) {
        const ggml_tensor * k = cache.get_k_storage((int32_t) layer);
        least_of_v = ggml_backend_buffer_get_alignment(k->buffer);
        of_k += GGML_PAD(ggml_backend_buffer_get_alloc_size(k->buffer, k), least_of_v);
    }
    for (const auto & [type, bytes] : cache.memory_breakdown()) all += bytes;
    return all >= of_k + least_of_v;
}

std::vector<cache_tensors> tensors_of(const llama_kv_cache & cache) {
    std::vector<cache_tensors> out;
    const std::vector<uint32_t> layers = cache.get_layer_ids();
    if (layers.empty()) return out;
    const bool with_v = has_v(cache, layers);
    // A view of V names what it is a view of.
    const ggml_context_ptr scratch{ ggml_init({ 2 * ggml_tensor_overhead(), nullptr, /*no_alloc*/ true }) };
    llama_kv_cache::slot_info first_stream;
    first_stream.s0 = first_stream.s1 = 0;
    for (const uint32_t layer : layers) {
        ggml_tensor * v = nullptr;
        if (with_v) {
            ggml_reset(scratch.get());
            v = cache.get_v(scratch.get(), (int32_t) layer, 1, first_stream)->view_src;
        }
        out.push_back({ layer, cache.get_k_storage((int32_t) layer), v });
    }
    return out;
}

std::vector<cache_tensors> tensors_of(const llama_kv_cache & cache, const std::vector<int32_t> & layer_map) {
    std::vector<cache_tensors> all = tensors_of(cache);
    if (layer_map.empty()) return all;
    std::vector<cache_tensors> out;
    for (size_t i = 0; i < layer_map.size(); i++)
        for (const cache_tensors & one : all)
            if ((int32_t) one.layer == layer_map[i]) out.push_back({ (uint32_t) i, one.k, one.v });
    return out;
}

}  // namespace overfill
