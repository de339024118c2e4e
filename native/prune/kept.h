// What stays of a model: ascending indices in the parent's own numbering.
#pragma once

#include <cstdint>
#include <vector>

namespace overfill {

struct model_shape;

struct kept_parts {
    std::vector<uint32_t> hidden;  // one set for the whole model
    std::vector<uint32_t> layers;
    std::vector<std::vector<uint32_t>> ffn;       // by kept layer, all of one length
    std::vector<std::vector<uint32_t>> heads;     // query heads by kept layer; as many of each kept KV head's group
    std::vector<std::vector<uint32_t>> kv_heads;  // by kept layer
};

// The sizes of a pruned model. Larger than what is kept: the rest is filled with zero channels (padding).
struct kept_counts {
    uint32_t n_embd = 0, n_ff = 0, n_head = 0, n_head_kv = 0, n_layer = 0;

    bool operator==(const kept_counts & o) const {
        return n_embd == o.n_embd && n_ff == o.n_ff && n_head == o.n_head && n_head_kv == o.n_head_kv &&
               n_layer == o.n_layer;
    }
};

// What keeps everything, and the parent's sizes.
kept_parts keep_all(const model_shape & shape);
kept_counts counts_of(const model_shape & shape);

}  // namespace overfill
