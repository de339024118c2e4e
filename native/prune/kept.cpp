#include "kept.h"

#include "parent_model.h"

#include <numeric>

namespace overfill {

static std::vector<uint32_t> all_of(uint32_t n) {
    std::vector<uint32_t> indices(n);
    std::iota(indices.begin(), indices.end(), 0u);
    return indices;
}

kept_parts keep_all(const model_shape & shape) {
    kept_parts kept;
    kept.hidden = all_of(shape.n_embd);
    kept.layers = all_of(shape.n_layer);
    kept.ffn.assign(shape.n_layer, all_of(shape.n_ff));
    kept.heads.assign(shape.n_layer, all_of(shape.n_head));
    kept.kv_heads.assign(shape.n_layer, all_of(shape.n_head_kv));
    return kept;
}

kept_counts counts_of(const model_shape & shape) {
    return { shape.n_embd, shape.n_ff, shape.n_head, shape.n_head_kv, shape.n_layer };
}

}  // namespace overfill
