// What the rewriter's tests share: a rewrite in one call, and random parts to keep.
#pragma once

#include "rewrite.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <numeric>
#include <random>
#include <string>
#include <vector>

namespace overfill::test {

inline const std::vector<int32_t> logits_tokens = { 1, 70, 90, 261, 120, 33, 280, 5, 299, 44, 61, 200 };

inline rewrite_result rewrite_now(const std::string & from, const kept_parts & kept, const kept_counts & counts,
                                  const rewrite_options & options) {
    const std::atomic<bool> stop{ false };
    return rewrite(parent_model(from), kept, counts, options, nullptr, stop);
}

// So many of n, ascending.
inline std::vector<uint32_t> drawn(uint32_t n, uint32_t n_kept, std::mt19937 & random) {
    std::vector<uint32_t> all(n);
    std::iota(all.begin(), all.end(), 0u);
    std::shuffle(all.begin(), all.end(), random);
    all.resize(n_kept);
    std::sort(all.begin(), all.end());
    return all;
}

// Random parts of these sizes; heads by group.
inline kept_parts drawn_parts(const model_shape & shape, const kept_counts & counts, uint32_t seed) {
    std::mt19937 random(seed);
    kept_parts kept;
    kept.hidden = drawn(shape.n_embd, counts.n_embd, random);
    kept.layers = drawn(shape.n_layer, counts.n_layer, random);
    const uint32_t group = shape.n_head / shape.n_head_kv, kept_group = counts.n_head / counts.n_head_kv;
    for (uint32_t i = 0; i < counts.n_layer; i++) {
        kept.ffn.push_back(drawn(shape.n_ff, counts.n_ff, random));
        kept.kv_heads.push_back(drawn(shape.n_head_kv, counts.n_head_kv, random));
        kept.heads.emplace_back();
        for (const uint32_t kv : kept.kv_heads.back())
            for (const uint32_t head : drawn(group, kept_group, random)) kept.heads.back().push_back(kv * group + head);
    }
    return kept;
}

}  // namespace overfill::test
