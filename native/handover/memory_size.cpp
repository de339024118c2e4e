#include "memory_size.h"

namespace overfill {

namespace {

// llama.cpp allocates compressed rows in multiples of this.
constexpr uint64_t compressed_row_step = 256;

uint64_t row_bytes(const memory_part & part, const cache_traits & cache, uint32_t widest_v) {
    switch (part.type) {
    case memory_part_type::cache_type_k: return ggml_row_size(cache.type_k, part.width);
    case memory_part_type::cache_type_v: {
        const bool padded = cache.v_transposed && part.kind == memory_part_kind::v;
        return ggml_row_size(cache.type_v, padded ? widest_v : part.width);
    }
    case memory_part_type::f32: break;
    }
    return part.width * sizeof(float);
}

template <class F> void each_part(const model_traits & model, const cache_traits & cache, F && use) {
    for (const layer_memory & layer : model.memory.layers)
        for (const memory_part & part : layer.parts) use(part, row_bytes(part, cache, model.memory.widest_v));
}

uint64_t state_bytes(const model_traits & model) {
    uint64_t n = 0;
    each_part(model, {}, [&](const memory_part & part, uint64_t bytes) {
        if (part.tokens_per_row == 0) n += bytes * part.n_rows;
    });
    return n;
}

}  // namespace

uint64_t kv_bytes_per_token(const model_traits & model, const cache_traits & cache) {
    double n = 0;
    each_part(model, cache, [&](const memory_part & part, uint64_t bytes) {
        if (part.tokens_per_row > 0) n += (double) bytes / part.tokens_per_row;
    });
    return (uint64_t) n * (model.memory.form == memory_form::compressed ? 2 : 1);
}

uint64_t state_bytes_per_session(const model_traits & model) {
    return state_bytes(model) * (model.memory.can_be_cut() ? 1 : 2);
}

uint64_t memory_bytes(const model_traits & model, const cache_traits & cache, uint32_t n_tokens, uint32_t n_sequences) {
    uint64_t n = state_bytes(model);
    each_part(model, cache, [&](const memory_part & part, uint64_t bytes) {
        if (part.tokens_per_row == 0) return;
        uint64_t n_rows = n_tokens;
        if (part.tokens_per_row > 1) {
            n_rows = (n_rows + part.tokens_per_row - 1) / part.tokens_per_row;
            n_rows = (n_rows + compressed_row_step - 1) / compressed_row_step * compressed_row_step;
        }
        n += bytes * n_rows;
    });
    return n * n_sequences;
}

}  // namespace overfill
