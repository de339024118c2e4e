// K and V of a context's cache as rows of f32 in the order of positions, whatever the layout, on whatever device.
#pragma once

#include "kv_view.h"
#include "rope_parameters.h"

#include <llama.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace overfill {

// Where a layer lies: which cache of the context, and which entry of its view.
struct cached_layer {
    size_t cache = 0;
    size_t entry = 0;
    uint32_t n_embd_k = 0;
    uint32_t n_embd_v = 0;
};

class cache_rows {
  public:
    // A context whose caches are f32, one sequence, as token_reader makes it.
    explicit cache_rows(const llama_context * ctx);

    // Null for a layer without a cache.
    const cached_layer * layer(uint32_t layer) const;

    // Rows of the sequence's n tokens (0 to n - 1), [n][n_embd]. Throws ERR_INFERENCE_FAILED if the cache does not hold
    // exactly these.
    void read_k(uint32_t layer, uint32_t n, std::vector<float> & rows) const;
    void read_v(uint32_t layer, uint32_t n, std::vector<float> & rows) const;

    // K as it was before its position encoding. Throws ERR_HANDOVER_UNAVAILABLE if that cannot be undone.
    void read_k_before_rope(uint32_t layer, uint32_t n, uint32_t head_size, std::vector<float> & rows) const;

  private:
    void read(const cached_layer & at, const ggml_tensor * tensor, uint32_t n_embd, bool transposed, uint32_t n,
              std::vector<float> & rows) const;

    const llama_context * ctx_;
    std::vector<kv_cache_view> views_;
    std::vector<cached_layer> layers_;  // by the model's layer index
    std::vector<bool> has_layer_;
    mutable std::vector<float> stored_;  // reused
};

}  // namespace overfill
