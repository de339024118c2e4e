// From wishes to sizes, and from sizes and importance to the channels, heads and layers that stay.
#pragma once

#include "importance.h"
#include "kept.h"
#include "rewrite.h"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace overfill {

// How much of a dimension stays.
struct size_wish {
    enum class kind { all, ratio, count } kind = kind::all;
    double value = 0;  // ratio: the share that goes, 0 to below 1; count: how many stay
};

enum class selection_order { important, random, unimportant };  // the last two are baselines to measure against

struct prune_request {
    size_wish hidden, ffn, heads, kv_heads, layers;
    std::string layer_rule = "firstlast";  // first, last, firstlast, influence
    std::vector<uint32_t> layer_list;      // in place of `layers` and the rule
    uint64_t target_params = 0;            // at most one of the two targets; 0: none
    uint64_t target_bytes = 0;
    uint32_t multiple = 0;  // widths are rounded to it; 0: chosen (default_multiple)
    activation_mean mean = activation_mean::signed_values;
    bool hidden_by_layer =
        false;  // hidden: each kept layer's scores normalised before they are summed; else the sum over all
    bool common_ffn = false;  // ffn: one set for all layers, by the sum of the normalised scores
    selection_order order = selection_order::important;
    uint32_t seed = 1;  // of a random order

    // Whether importance is needed: not for depth by a rule or list alone.
    bool needs_importance() const;
};

// The largest of 256, 128, 64 and 32 that is at most a quarter of the width; 32 at least.
uint32_t default_multiple(uint32_t width);

struct resolved_counts {
    kept_counts counts;
    kept_counts wished;     // before rounding
    uint32_t multiple = 0;  // of the widths; where hidden and ffn have different ones by default, the smaller
};

// Resolves the wishes. A wish of `all` or a ratio of 0 keeps a width as it is, without rounding; else int(n (1 -
// ratio)) or the count is rounded to the nearest multiple, at least one, at most n. Heads are rounded so that each KV
// group keeps the same number. A target decides the widths of hidden and ffn that are not wished for themselves: one
// ratio for both, the largest model that is not larger than the target. `plan` tells what a model of such sizes would
// hold (plan_rewrite); only a target asks it. Throws ERR_INVALID_ARGUMENT, its parameter the option at fault, if
// nothing would be left or a target cannot be met.
resolved_counts resolve_counts(const prune_request & request, const model_shape & shape,
                               const std::function<rewrite_plan(const kept_counts &)> & plan);

// `measured` may be null if the request needs none. Ties go to the lower index. A random order gives a layer the same
// channels whatever else is pruned, on every platform. Throws ERR_IMPORTANCE_MISMATCH if it is of another shape.
kept_parts select_parts(const prune_request & request, const kept_counts & counts, const model_shape & shape,
                        const importance * measured);

}  // namespace overfill
