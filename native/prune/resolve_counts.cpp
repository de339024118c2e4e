// From wishes to sizes (selection.h).
#include "failure.h"
#include "parent_model.h"
#include "selection.h"
#include "target_size.h"

#include <algorithm>
#include <cmath>

namespace overfill {

namespace {

[[noreturn]] void refuse(const char * option, const std::string & why) {
    const std::string parameter = std::string("options.") + option;
    throw failure(error_code::invalid_argument, parameter + ": " + why, { { "parameter", parameter } });
}

// How many of n the wish keeps, before rounding.
uint32_t wished_of(const size_wish & wish, uint32_t n, const char * option, const char * what) {
    if (wish.kind == size_wish::kind::all) return n;
    if (wish.kind == size_wish::kind::ratio) {
        if (!(wish.value >= 0 && wish.value < 1)) refuse(option, "the ratio must be at least 0 and below 1");
        // 1 - 0.9 is a little less than 0.1 in float64; a tenth of ten is one all the same.
        const auto stay = (uint32_t) std::min((double) n, std::floor(n * (1 - wish.value) + 1e-9));
        if (stay == 0) refuse(option, "nothing would be left of " + std::to_string(n) + " " + what);
        return stay;
    }
    if (!(wish.value >= 1) || wish.value != std::floor(wish.value))
        refuse(option, "the number to keep must be a whole number of at least 1");
    if (wish.value > n) refuse(option, "there are only " + std::to_string(n) + " " + what);
    return (uint32_t) wish.value;
}

uint32_t rounded_width(uint32_t wished, uint32_t n, uint32_t multiple) {
    if (wished == n || n < multiple) return n;
    const uint64_t nearest = ((uint64_t) wished + multiple / 2) / multiple * multiple;
    // Where the width is no multiple itself, the one above it is out of reach.
    return (uint32_t) std::clamp<uint64_t>(nearest, multiple, n / multiple * multiple);
}

uint32_t count_layers(const prune_request & request, uint32_t n) {
    const std::vector<uint32_t> & list = request.layer_list;
    for (size_t i = 0; i < list.size(); i++) {
        if (list[i] >= n)
            refuse("layers", "there is no layer " + std::to_string(list[i]) + " among " + std::to_string(n));
        if (i > 0 && list[i] <= list[i - 1]) refuse("layers", "the layers must be in ascending order, each once");
    }
    if (!list.empty()) return (uint32_t) list.size();
    const std::string & rule = request.layer_rule;
    if (rule != "first" && rule != "last" && rule != "firstlast" && rule != "influence")
        refuse("layerRule", "there is no rule '" + rule + "'");
    return wished_of(request.layers, n, "layers", "layers");
}

// Both the KV heads and the query heads, of which each KV head's group keeps as many.
void count_heads(const prune_request & request, const model_shape & shape, resolved_counts & out) {
    const uint32_t n_kv = wished_of(request.kv_heads, shape.n_head_kv, "kvHeads", "KV heads");
    const uint32_t group = shape.n_head / shape.n_head_kv, most = n_kv * group;
    const uint32_t wished = wished_of(request.heads, shape.n_head, "heads", "heads");
    if (request.heads.kind == size_wish::kind::count && wished > most)
        refuse("heads", std::to_string(n_kv) + " KV heads serve only " + std::to_string(most) + " heads");
    out.counts.n_head_kv = out.wished.n_head_kv = n_kv;
    out.wished.n_head = std::min(wished, most);
    // The nearest number of heads a group, halves up.
    out.counts.n_head = n_kv * std::clamp((2 * out.wished.n_head + n_kv) / (2 * n_kv), 1u, group);
}

class target_resolution {
  public:
    target_resolution(const prune_request & request, const model_shape & shape,
                      const std::function<rewrite_plan(const kept_counts &)> & plan)
        : request_(request), shape_(shape), plan_(plan), by_params_(request.target_params > 0) {}

    bool is_wanted() const { return request_.target_params > 0 || request_.target_bytes > 0; }

    void run(resolved_counts & out, uint32_t hidden_multiple, uint32_t ffn_multiple) const {
        const bool hidden_is_free = request_.hidden.kind == size_wish::kind::all;
        const bool ffn_is_free = request_.ffn.kind == size_wish::kind::all;
        if (request_.target_params > 0 && request_.target_bytes > 0)
            refuse("targetBytes", "a model has one target, in parameters or in bytes");
        if (!hidden_is_free && !ffn_is_free)
            refuse(option(), "the target has nothing to decide when both hidden and ffn are given");

        target_search search;
        search.fixed = out.counts;
        search.hidden = { out.counts.n_embd };
        search.ffn = { out.counts.n_ff };
        if (hidden_is_free) search.hidden = possible_widths(shape_.n_embd, hidden_multiple);
        if (ffn_is_free) search.ffn = possible_widths(shape_.n_ff, ffn_multiple);
        search.target = by_params_ ? request_.target_params : request_.target_bytes;
        search.of_params = by_params_;
        search.plan = plan_;
        const found_size found = find_size(search);
        if (!found.fits)
            refuse(option(), "the smallest model that can be reached has " + amount(found.smallest) +
                                 ", more than the target of " + amount(search.target));
        const bool nothing_goes = found.counts == search.fixed;
        if (nothing_goes && found.size < search.target)
            refuse(option(), "the model is already smaller than that: it has " + amount(found.size));
        out.counts = found.counts;
        out.wished.n_embd = hidden_is_free ? found.counts.n_embd : out.wished.n_embd;
        out.wished.n_ff = ffn_is_free ? found.counts.n_ff : out.wished.n_ff;
    }

  private:
    const char * option() const { return by_params_ ? "targetSize" : "targetBytes"; }
    std::string amount(uint64_t n) const { return std::to_string(n) + (by_params_ ? " parameters" : " bytes"); }

    const prune_request & request_;
    const model_shape & shape_;
    const std::function<rewrite_plan(const kept_counts &)> & plan_;
    bool by_params_;
};

}  // namespace

uint32_t default_multiple(uint32_t width) {
    for (const uint32_t multiple : { 256u, 128u, 64u })
        if (multiple <= width / 4) return multiple;
    return 32;
}

resolved_counts resolve_counts(const prune_request & request, const model_shape & shape,
                               const std::function<rewrite_plan(const kept_counts &)> & plan) {
    const uint32_t hidden_multiple = request.multiple ? request.multiple : default_multiple(shape.n_embd);
    const uint32_t ffn_multiple = request.multiple ? request.multiple : default_multiple(shape.n_ff);
    resolved_counts out;
    out.multiple = std::min(hidden_multiple, ffn_multiple);
    out.wished.n_embd = wished_of(request.hidden, shape.n_embd, "hidden", "hidden channels");
    out.wished.n_ff = wished_of(request.ffn, shape.n_ff, "ffn", "FFN channels");
    out.counts.n_embd = rounded_width(out.wished.n_embd, shape.n_embd, hidden_multiple);
    out.counts.n_ff = rounded_width(out.wished.n_ff, shape.n_ff, ffn_multiple);
    out.counts.n_layer = out.wished.n_layer = count_layers(request, shape.n_layer);
    count_heads(request, shape, out);
    const target_resolution target(request, shape, plan);
    if (target.is_wanted()) target.run(out, hidden_multiple, ffn_multiple);
    return out;
}

}  // namespace overfill
