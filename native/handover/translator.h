// A translator: what has to be known to turn the prefill model's KV cache into the decode model's, beyond what the two
// models tell themselves. Stored as a GGUF file (translator_file.h), made by `fit`, or given as a plain layer map.
#pragma once

#include "translation.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace overfill {

struct translator {
    // layers[i] is the source layer for the target's layer i; empty: the same index.
    std::vector<int32_t> layers;

    // Linear maps by target layer; empty: the identity everywhere. K and V may share one.
    std::vector<std::shared_ptr<const linear_map>> k;
    std::vector<std::shared_ptr<const linear_map>> v;
    // Whether the maps of K work on K without its position encoding: RoPE is undone before and done after them.
    bool before_rope = true;

    // Which models it was made for (model_fingerprint); empty: any of fitting shape.
    std::string source_fingerprint;
    std::string target_fingerprint;

    // What `fit` measured on held-out text, for reports; empty or 0 if unknown. Errors are relative squared errors,
    // 0 (exact) to 1 (no better than the mean), by target layer.
    std::vector<float> error_k, error_v;
    struct {
        double alone = 0;     // nats a token: the target alone, reading the prompt itself
        double unmapped = 0;  // two-stage without the linear maps, or without the prompt where shapes forbid that
        double mapped = 0;    // two-stage with this translator
    } loss;
    uint64_t n_fit_tokens = 0;
    std::string source_name, target_name;  // for people

    bool has_maps() const { return !k.empty() || !v.empty(); }
};

// The layer maps of depth pruning for n_to of n_from layers, by their names in the literature: "first", "last",
// "firstlast" (layer 0 and the last n - 1) and "spaced" (equal spacing with rounding). Empty for another name.
std::vector<int32_t> named_layer_map(const std::string & name, uint32_t n_from, uint32_t n_to);

}  // namespace overfill
