#include "kv_view.h"

#include "cache_access.h"
#include "llama-model.h"
#include "private_members.h"

#include <ggml-cpp.h>

namespace overfill {

size_t kv_cache_view::n_bytes() const {
    size_t n = 0;
    for (const kv_layer_view & layer : layers) n += ggml_nbytes(layer.k) + (layer.v ? ggml_nbytes(layer.v) : 0);
    return n;
}

// Latent KV (MLA) lies in the same kind of cache, without V.
static std::vector<llama_kv_cache *> viewed_caches(const llama_context * ctx) {
    if (ctx->get_model().hparams.is_mla()) return {};
    return caches_of(ctx);
}

memory_kind kv_memory_kind(const llama_context * ctx) {
    if (!ctx->get_memory()) return memory_kind::none;
    switch (viewed_caches(ctx).size()) {
    case 1: return memory_kind::attention;
    case 2: return memory_kind::sliding_window;
    default: return memory_kind::other;
    }
}

static uint32_t largest_block(int32_t head_size) {
    uint32_t block = 64;
    while (head_size % (int32_t) (2 * block) == 0) block *= 2;
    return block;
}

static kv_cache_view view_one(const llama_kv_cache & cache, cache_types types) {
    kv_cache_view view;
    view.type_k = types.k;
    view.type_v = types.v;
    view.v_transposed = cache.*get(reach::cache_v_trans());
    // K is rotated in the largest blocks that fit its heads, V always in blocks of 64.
    if (cache.*get(reach::cache_rot_k())) view.k_hadamard = largest_block(cache.*get(reach::cache_head_size_k()));
    if (cache.*get(reach::cache_rot_v())) view.v_hadamard = 64;
    view.n_cells = cache.get_size();
    view.n_stream = cache.get_n_stream();

    // The cache names its K tensors but not its V tensors; a view of V names what it is a view of.
    const ggml_context_ptr scratch{ ggml_init({ 2 * ggml_tensor_overhead(), nullptr, /*no_alloc*/ true }) };
    llama_kv_cache::slot_info first_stream;
    first_stream.s0 = first_stream.s1 = 0;
    for (const uint32_t layer : cache.get_layer_ids()) {
        ggml_reset(scratch.get());
        ggml_tensor * v = cache.get_v(scratch.get(), (int32_t) layer, 1, first_stream);
        view.layers.push_back({ layer, cache.get_k_storage((int32_t) layer), v->view_src });
    }
    return view;
}

layer_heads heads_of(const llama_context * ctx, uint32_t layer) {
    const llama_hparams & hparams = ctx->get_model().hparams;
    return { hparams.n_head_kv(layer), hparams.n_embd_head_k(layer), hparams.n_embd_head_v(layer) };
}

size_t view_kv_count(const llama_context * ctx) { return viewed_caches(ctx).size(); }

std::vector<kv_cache_view> view_kv(const llama_context * ctx) {
    std::vector<kv_cache_view> views;
    const auto caches = viewed_caches(ctx);
    if (caches.empty()) return views;
    const cache_types types = types_of(caches);
    for (const llama_kv_cache * cache : caches) views.push_back(view_one(*cache, types));
    return views;
}

size_t kv_bytes_per_token(const std::vector<kv_cache_view> & views) {
    size_t n = 0;
    for (const kv_cache_view & view : views) n += view.n_bytes() / ((size_t) view.n_cells * view.n_stream);
    return n;
}

uint32_t kv_cells_used(const llama_context * ctx, llama_seq_id sequence) {
    const auto caches = caches_of(ctx);
    return caches.empty() ? 0 : caches[0]->get_cells(sequence).get_used();
}

}  // namespace overfill
