// What the package knows of each architecture that it can take apart: one row each, data only. Pruning and training go
// by these rows, and docs/prune.md prints them. A row covers dense decoders with RMSNorm, RoPE and a gated FFN.
#pragma once

#include <string>
#include <vector>

namespace overfill {

enum class norm_place {
    before,            // attn_norm and ffn_norm, on a block's input
    before_and_after,  // those, and post_attention_norm and post_ffw_norm on its output
    after,             // post_attention_norm and post_ffw_norm, on its output only
};

enum class qk_norm {
    none,
    head,       // one head at a time, before RoPE: [head size]
    all_heads,  // all heads together, before RoPE: [heads x head size]
    head_after_rope,
};

enum class ffn_activation { silu, gelu };

struct architecture {
    const char * name = "";  // general.architecture
    norm_place norms = norm_place::before;
    const char * ffn_norm = "ffn_norm";  // what the tensor of the norm before the FFN is called
    qk_norm qk = qk_norm::none;
    ffn_activation activation = ffn_activation::silu;
    bool fused_gate_up = false;     // ffn_up has 2 x n_ff rows, the gate first
    bool scaled_embedding = false;  // the graph multiplies embeddings by sqrt(n_embd)
    bool tied_output = false;       // the output matrix is always the embedding's
    bool shaped_scales = false;     // scales of residuals and logits that default to functions of n_layer and n_embd
    // The loader wants n_embd = heads x head size. A model that no longer has that is written as this architecture,
    // whose graph computes the same; nullptr: there is none.
    bool square_attention = false;
    const char * carrier = nullptr;
    unsigned rope_free_step = 0;     // every n-th layer has no RoPE, by the layer's number; 0: none
    unsigned rope_layers = 0;        // the graph has RoPE only with this number of layers; 0: always
    unsigned wide_scale_layers = 0;  // with this number of layers Q is scaled by 1 / sqrt(n_embd / heads), else by the
                                     // head's size; 0: never
};

// nullptr for one that has no row.
const architecture * find_architecture(const std::string & name);
const std::vector<architecture> & all_architectures();

}  // namespace overfill
