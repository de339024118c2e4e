#include "tensor_axes.h"

#include <cstdio>
#include <cstring>

namespace overfill {

namespace {

struct named_axes {
    const char * base;
    tensor_axis in, out;
};

constexpr named_axes model_tensors[] = {
    { "token_embd.weight", tensor_axis::hidden, tensor_axis::vocab },
    { "output.weight", tensor_axis::hidden, tensor_axis::vocab },
    { "output.bias", tensor_axis::vocab, tensor_axis::one },
    { "output_norm.weight", tensor_axis::hidden, tensor_axis::one },
    { "rope_freqs.weight", tensor_axis::fixed, tensor_axis::one },
    { "rope_factors_long.weight", tensor_axis::fixed, tensor_axis::one },
    { "rope_factors_short.weight", tensor_axis::fixed, tensor_axis::one },
};

constexpr named_axes layer_tensors[] = {
    { "attn_q.weight", tensor_axis::hidden, tensor_axis::query },
    { "attn_k.weight", tensor_axis::hidden, tensor_axis::key },
    { "attn_v.weight", tensor_axis::hidden, tensor_axis::value },
    { "attn_qkv.weight", tensor_axis::hidden, tensor_axis::query_key_value },
    { "attn_q.bias", tensor_axis::query, tensor_axis::one },
    { "attn_k.bias", tensor_axis::key, tensor_axis::one },
    { "attn_v.bias", tensor_axis::value, tensor_axis::one },
    { "attn_qkv.bias", tensor_axis::query_key_value, tensor_axis::one },
    { "attn_output.weight", tensor_axis::heads, tensor_axis::hidden },
    { "attn_output.bias", tensor_axis::hidden, tensor_axis::one },
    { "ffn_gate.weight", tensor_axis::hidden, tensor_axis::ffn },
    { "ffn_up.weight", tensor_axis::hidden, tensor_axis::ffn },
    { "ffn_down.weight", tensor_axis::ffn, tensor_axis::hidden },
    { "ffn_gate.bias", tensor_axis::ffn, tensor_axis::one },
    { "ffn_up.bias", tensor_axis::ffn, tensor_axis::one },
    { "ffn_down.bias", tensor_axis::hidden, tensor_axis::one },
};

template <size_t n> const named_axes * look_up(const named_axes (&table)[n], const std::string & base) {
    for (const named_axes & row : table)
        if (base == row.base) return &row;
    return nullptr;
}

// The norms that the architecture's layers have.
bool is_hidden_norm(const architecture & row, const std::string & base) {
    if (row.norms != norm_place::after && (base == "attn_norm.weight" || base == std::string(row.ffn_norm) + ".weight"))
        return true;
    return row.norms != norm_place::before && (base == "post_attention_norm.weight" || base == "post_ffw_norm.weight");
}

std::optional<tensor_axes> layer_axes(const architecture & row, const std::string & base) {
    tensor_axes axes;
    axes.is_norm = true;
    if (is_hidden_norm(row, base)) {
        axes.in = tensor_axis::hidden;
        return axes;
    }
    const bool q_norm = base == "attn_q_norm.weight";
    if (q_norm || base == "attn_k_norm.weight") {
        if (row.qk == qk_norm::none) return std::nullopt;
        if (row.qk == qk_norm::all_heads) axes.in = q_norm ? tensor_axis::query : tensor_axis::key;
        return axes;
    }
    const named_axes * found = look_up(layer_tensors, base);
    if (!found) return std::nullopt;
    axes = {};
    axes.in = found->in;
    axes.out = found->out;
    if (row.fused_gate_up) {
        if (base == "ffn_gate.weight" || base == "ffn_gate.bias" || base == "ffn_up.bias") return std::nullopt;
        if (base == "ffn_up.weight") axes.out = tensor_axis::gate_up;
    }
    return axes;
}

}  // namespace

std::optional<tensor_axes> axes_of(const architecture & row, const std::string & name) {
    std::optional<tensor_axes> axes;
    int layer = -1, n_read = 0;
    if (std::sscanf(name.c_str(), "blk.%d.%n", &layer, &n_read) == 1 && n_read > 0 && layer >= 0) {
        const std::string base = name.substr((size_t) n_read);
        // "blk.01." would be another name for layer 1.
        if (tensor_name(layer, base) != name) return std::nullopt;
        axes = layer_axes(row, base);
        if (!axes) return std::nullopt;
        axes->layer = layer;
        axes->base = base;
        return axes;
    }
    const named_axes * found = look_up(model_tensors, name);
    if (!found || (row.tied_output && std::strncmp(name.c_str(), "output.", 7) == 0)) return std::nullopt;
    axes.emplace();
    axes->in = found->in;
    axes->out = found->out;
    axes->base = name;
    axes->is_norm = name == "output_norm.weight";
    return axes;
}

int64_t axis_length(tensor_axis axis, const model_shape & shape) {
    const int64_t query = (int64_t) shape.n_head * shape.head_size_k,
                  key = (int64_t) shape.n_head_kv * shape.head_size_k,
                  value = (int64_t) shape.n_head_kv * shape.head_size_v;
    switch (axis) {
    case tensor_axis::one: return 1;
    case tensor_axis::fixed: return 0;
    case tensor_axis::hidden: return shape.n_embd;
    case tensor_axis::vocab: return shape.n_vocab;
    case tensor_axis::ffn: return shape.n_ff;
    case tensor_axis::gate_up: return 2 * (int64_t) shape.n_ff;
    case tensor_axis::query: return query;
    case tensor_axis::key: return key;
    case tensor_axis::value: return value;
    case tensor_axis::query_key_value: return query + key + value;
    case tensor_axis::heads: return (int64_t) shape.n_head * shape.head_size_v;
    }
    return 0;
}

std::string tensor_name(int layer, const std::string & base) {
    return layer < 0 ? base : "blk." + std::to_string(layer) + "." + base;
}

}  // namespace overfill
