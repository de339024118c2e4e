// The facts about a model that decide whether another model can go on from its KV cache. Plain data, taken from a
// loaded model (or from one loaded without its weights, for `inspect`).
#pragma once

#include "memory_traits.h"

#include <llama.h>

#include <cstdint>
#include <string>
#include <vector>

namespace overfill {

struct layer_traits {
    uint32_t n_head_kv;  // 0: the layer has no K and V of its own
    uint32_t head_size_k;
    uint32_t head_size_v;
    bool sliding;    // sliding-window attention
    bool rope;       // false: no position encoding in this layer
    uint32_t n_rot;  // rotated dimensions of a head
    float rope_base;
    float rope_scale;       // 1 / scaling factor
    int32_t kv_layer;       // the layer whose K and V it uses; itself for most, -1 for none
    uint32_t latent_width;  // of the latent part of K (MLA); 0: K is not latent

    bool operator==(const layer_traits & o) const;
};

struct model_traits {
    std::string architecture;
    // The architecture whose cache the model reads and writes. Pruning may have to write a model as another
    // architecture, which computes the same; its family is still its parent's.
    std::string family;
    std::string name;         // general.name, may be empty
    std::string description;  // such as "llama 3B Q8_0"
    uint64_t n_params = 0;
    uint64_t n_bytes = 0;
    uint32_t n_ctx_train = 0;
    uint32_t n_positions = 0;  // that it has learned one by one, and knows no others; 0: any
    uint32_t n_embd = 0;
    uint32_t n_layer = 0;
    uint32_t n_head = 0;
    uint32_t n_head_kv = 0;
    uint32_t n_ff = 0;
    uint32_t n_vocab = 0;
    std::vector<layer_traits> layers;

    int rope_type = 0;          // enum llama_rope_type
    int rope_scaling_type = 0;  // enum llama_rope_scaling_type
    uint32_t rope_original_context = 0;
    float rope_attention_factor = 1.0f;
    float yarn_ext_factor = 0, yarn_attn_factor = 1, yarn_beta_fast = 0, yarn_beta_slow = 0, yarn_log_factor = 0;
    std::vector<int> rope_sections;
    std::vector<float> rope_factors;  // concatenated per-dimension factors (long, short, plain), may be empty
    uint32_t sliding_window = 0;
    bool causal = true;
    bool encoder = false;
    bool diffusion = false;
    bool embedding = false;  // made to embed text, not to write it
    bool draft = false;      // a head that drafts for another model
    memory_traits memory;
};

model_traits traits_of(const llama_model * model);

// The devices on which the layers' caches lie, such as "CPU" or "Vulkan0 x 20, CPU x 8".
std::string cache_devices(const llama_model * model);

// The name of the RoPE layout and of its scaling, for messages.
const char * rope_type_name(int rope_type);
const char * rope_scaling_name(int rope_scaling_type);

}  // namespace overfill
