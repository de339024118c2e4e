// Weights of every type that ggml can write, as either side of a pair: which type a file has is no matter of the
// memory.
#include "check.h"
#include "engine_driver.h"
#include "tiny_model.h"

#include <cmath>

using namespace overfill;
using namespace overfill::test;

namespace {

tiny_model shape_of(ggml_type type) {
    tiny_model shape;
    shape.n_embd = shape.n_ff = 256;  // rows of whole blocks in every type
    shape.n_layer = 1;
    shape.type = type;
    return shape;
}

std::vector<ggml_type> weight_types() {
    std::vector<ggml_type> types;
    for (int i = 0; i < GGML_TYPE_COUNT; i++) {
        const ggml_type type = (ggml_type) i;
        // Q8_1 and Q8_K are what activations are quantised to; no file has weights of them.
        if (!ggml_is_quantized(type) || type == GGML_TYPE_Q8_1 || type == GGML_TYPE_Q8_K) continue;
        if (ggml_blck_size(type) == 0 || ggml_get_type_traits(type)->to_float == nullptr) continue;
        types.push_back(type);
    }
    types.push_back(GGML_TYPE_F16);
    types.push_back(GGML_TYPE_BF16);
    return types;
}

// Writes with both sides; the answer's log-probabilities.
std::vector<float> write(const pair_options & options) {
    pair_info info;
    const auto pair = load(options, &info);
    CHECK(info.writers[0].plan.kind == handover_kind::share);
    const auto session = create_session(*pair);
    prefill(*session, some_tokens(50));
    hand_over(*session);
    decode_options how = greedy(8);
    how.sampling.n_log_probs = 0;
    how.sampling.ignore_eos = true;
    std::vector<float> out;
    for (const auto & row : decode(*session, how).log_probs) out.push_back((float) row.at(0).log_prob);
    dispose(*session);
    dispose(*pair);
    return out;
}

bool all_finite(const std::vector<float> & values) {
    for (const float value : values)
        if (!std::isfinite(value)) return false;
    return values.size() == 8;
}

}  // namespace

TEST("weights of every type read and write, and share with f32") {
    const model_path precise(shape_of(GGML_TYPE_F32));
    const auto types = weight_types();
    CHECK(types.size() >= 20);
    for (const ggml_type type : types) {
        std::printf("  %s\n", ggml_type_name(type));
        const model_path coarse(shape_of(type));
        CHECK(all_finite(write(options_for(precise.str(), coarse.str()))));
        CHECK(all_finite(write(options_for(coarse.str(), precise.str()))));
    }
}
