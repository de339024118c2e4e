// Shapes and wishes in few words, for the tests of sizes and selection.
#pragma once

#include "parent_model.h"
#include "selection.h"

#include <string>
#include <vector>

namespace overfill::test {

using indices = std::vector<uint32_t>;

inline model_shape shape_of(uint32_t n_embd, uint32_t n_ff, uint32_t n_head, uint32_t n_head_kv, uint32_t n_layer) {
    model_shape shape;
    shape.n_embd = n_embd;
    shape.n_ff = n_ff;
    shape.n_head = n_head;
    shape.n_head_kv = n_head_kv;
    shape.n_layer = n_layer;
    return shape;
}

// Llama 3.2 3B.
inline model_shape llama_3b() { return shape_of(3072, 8192, 24, 8, 28); }

inline size_wish ratio(double value) { return { size_wish::kind::ratio, value }; }
inline size_wish count(double value) { return { size_wish::kind::count, value }; }

// Without a target: nothing may ask for a plan.
inline resolved_counts resolve(const prune_request & request, const model_shape & shape = llama_3b()) {
    return resolve_counts(request, shape, [](const kept_counts &) -> rewrite_plan {
        throw failure(error_code::internal, "a plan was asked for");
    });
}

inline std::string text_of(const indices & values) {
    std::string out;
    for (const uint32_t value : values) out += std::to_string(value) + " ";
    return out;
}

}  // namespace overfill::test
