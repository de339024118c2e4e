// What a context's KV cache looks like from outside: per layer the K and V tensors, the cells, types and layout.
//
//   K of a layer  [n_embd_k_gqa, n_cells, n_stream], one row a cell, stored after RoPE
//   V of a layer  [n_embd_v_gqa, n_cells, n_stream], or with v_transposed the same bytes read as
//                 [n_cells, n_embd_v_gqa, n_stream], one row a channel
//
// Quantised caches may hold K and V Hadamard-rotated.
#pragma once

#include <ggml.h>
#include <llama.h>

#include <cstdint>
#include <string>
#include <vector>

namespace overfill {

enum class memory_kind {
    none,            // no cache at all: an encoder
    attention,       // one cache for all layers
    sliding_window,  // two caches, one of them for the layers with a sliding window
    other,           // recurrent, hybrid, latent, with an indexer: not K and V of single tokens
};

struct kv_layer_view {
    uint32_t layer;  // the model's layer index
    ggml_tensor * k;
    ggml_tensor * v;
};

struct kv_cache_view {
    ggml_type type_k = GGML_TYPE_F16;
    ggml_type type_v = GGML_TYPE_F16;
    bool v_transposed = false;
    // Block size of the Hadamard rotation along a head; 0: none.
    uint32_t k_hadamard = 0;
    uint32_t v_hadamard = 0;
    uint32_t n_cells = 0;  // a stream
    uint32_t n_stream = 0;
    std::vector<kv_layer_view> layers;

    size_t n_bytes() const;
};

memory_kind kv_memory_kind(const llama_context * ctx);

struct layer_heads {
    uint32_t n_head_kv, size_k, size_v;
};
layer_heads heads_of(const llama_context * ctx, uint32_t layer);

// The number of caches that view_kv gives.
size_t view_kv_count(const llama_context * ctx);

// One view for memory_kind::attention, two (full, sliding) for sliding_window, none otherwise.
std::vector<kv_cache_view> view_kv(const llama_context * ctx);

// Bytes of K and V of all layers that one token takes.
size_t kv_bytes_per_token(const std::vector<kv_cache_view> & views);

// The cells in use in the sequence's stream, over all sequences of that stream.
uint32_t kv_cells_used(const llama_context * ctx, llama_seq_id sequence);

}  // namespace overfill
