#include "activation_capture.h"

#include "failure.h"

#include <ggml-backend.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>

namespace overfill {

const char * activation_name(activation what) {
    switch (what) {
    case activation::residual: return "residual stream";
    case activation::attention_norm: return "attention norm";
    case activation::heads: return "attention heads";
    case activation::ffn_norm: return "FFN norm";
    case activation::ffn: return "FFN";
    }
    return "";
}

[[noreturn]] static void refuse(const std::string & why) {
    throw failure(error_code::prune_unsupported, "the model cannot be measured: " + why);
}

// A weight that the scheduler copied to another device is called "DEVICE#name#copy".
static std::string_view weight_name(const ggml_tensor * tensor) {
    std::string_view name = tensor->name;
    const size_t first = name.find('#'), last = name.rfind('#');
    return first == last ? name : name.substr(first + 1, last - first - 1);
}

namespace {

// blk.<layer>.<part>.weight
struct block_weight {
    uint32_t layer;
    std::string_view part;
};

}  // namespace

static std::optional<block_weight> block_weight_of(const ggml_tensor * tensor) {
    constexpr std::string_view prefix = "blk.", suffix = ".weight";
    const std::string_view name = weight_name(tensor);
    if (name.size() < prefix.size() + suffix.size() || name.substr(0, prefix.size()) != prefix ||
        name.substr(name.size() - suffix.size()) != suffix)
        return std::nullopt;
    const std::string_view middle = name.substr(prefix.size(), name.size() - prefix.size() - suffix.size());
    block_weight weight{};
    const auto [end, error] = std::from_chars(middle.data(), middle.data() + middle.size(), weight.layer);
    const size_t n_digits = (size_t) (end - middle.data());
    if (error != std::errc() || n_digits == middle.size() || middle[n_digits] != '.') return std::nullopt;
    weight.part = middle.substr(n_digits + 1);
    return weight;
}

activation_capture::activation_capture(norm_place norms, uint32_t n_layer, receiver receive)
    : norms_(norms), n_layer_(n_layer), receive_(std::move(receive)) {}

void activation_capture::begin() {
    error_ = nullptr;
    for (std::vector<bool> & layers : seen_) layers.assign(n_layer_ + 1, false);
    in_tail_ = false;
    tail_.clear();
}

void activation_capture::end() {
    if (error_) std::rethrow_exception(error_);
    if (!tail_.empty())
        receive_rows(activation::residual, n_layer_, tail_.data(), tail_columns_, tail_.size() / tail_columns_);
    for (size_t what = 0; what < n_activations; what++)
        for (uint32_t layer = 0; layer < n_layer_ + ((activation) what == activation::residual); layer++)
            if (!seen_[what][layer])
                refuse("layer " + std::to_string(layer) + " shows no " + activation_name((activation) what));
}

bool activation_capture::callback(ggml_tensor * node, bool ask, void * self) {
    activation_capture & capture = *static_cast<activation_capture *>(self);
    if (capture.error_) return false;
    try {
        if (ask) return capture.asks_for(node);
        capture.show(node);
        return true;
    } catch (...) {
        capture.error_ = std::current_exception();
        return false;
    }
}

static bool scales_output_norm(const ggml_tensor * node) {
    return node->op == GGML_OP_MUL &&
           (weight_name(node->src[0]) == "output_norm.weight" || weight_name(node->src[1]) == "output_norm.weight");
}

bool activation_capture::is_sum_in_tail(const ggml_tensor * node) const {
    return in_tail_ && node->op == GGML_OP_ADD && (size_t) node->ne[0] == tail_columns_;
}

bool activation_capture::asks_for(const ggml_tensor * node) {
    if (scales_output_norm(node)) in_tail_ = false;
    if (is_sum_in_tail(node)) return true;
    bool asks = false;
    each(node, [&](activation, uint32_t, const ggml_tensor *) { asks = true; });
    return asks;
}

void activation_capture::show(const ggml_tensor * node) {
    if (is_sum_in_tail(node)) {
        const float * rows = read(node);
        tail_.assign(rows, rows + ggml_nelements(node));
        return;
    }
    each(node, [&](activation what, uint32_t layer, const ggml_tensor * rows) {
        receive_rows(what, layer, read(rows), (size_t) rows->ne[0], (size_t) ggml_nrows(rows));
        if (what != activation::ffn || layer + 1 != n_layer_) return;
        in_tail_ = true;
        tail_columns_ = (size_t) node->ne[0];
    });
}

void activation_capture::each(const ggml_tensor * node, const give & give) const {
    if (node->op == GGML_OP_MUL_MAT) each_of_product(node, give);
    if (node->op == GGML_OP_MUL) each_of_scaling(node, give);
}

void activation_capture::each_of_product(const ggml_tensor * node, const give & give) const {
    const auto weight = block_weight_of(node->src[0]);
    if (!weight) return;
    const ggml_tensor * rows = node->src[1];
    if (weight->part == "attn_output") give(activation::heads, weight->layer, rows);
    if (weight->part == "ffn_down") give(activation::ffn, weight->layer, rows);
    if (norms_ == norm_place::after) {
        if (weight->part == "attn_q" || weight->part == "attn_qkv") give(activation::residual, weight->layer, rows);
    } else if (weight->part == "ffn_up") {
        give(activation::ffn_norm, weight->layer, rows);
    }
}

void activation_capture::each_of_scaling(const ggml_tensor * node, const give & give) const {
    auto weight = block_weight_of(node->src[1]);
    const ggml_tensor * scaled = node->src[0];
    if (!weight) {
        weight = block_weight_of(node->src[0]);
        scaled = node->src[1];
    }
    if (!weight) return;
    if (norms_ == norm_place::after) {
        if (weight->part == "post_attention_norm") give(activation::attention_norm, weight->layer, node);
        if (weight->part == "post_ffw_norm") give(activation::ffn_norm, weight->layer, node);
    } else if (weight->part == "attn_norm") {
        if (scaled->op != GGML_OP_RMS_NORM)
            refuse("layer " + std::to_string(weight->layer) + " does not begin with an RMSNorm");
        give(activation::residual, weight->layer, scaled->src[0]);
        give(activation::attention_norm, weight->layer, node);
    }
}

void activation_capture::receive_rows(activation what, uint32_t layer, const float * rows, size_t n_columns,
                                      size_t n_rows) {
    std::vector<bool> & seen = seen_[(size_t) what];
    if (layer >= seen.size() || seen[layer])
        refuse("layer " + std::to_string(layer) + " shows its " + activation_name(what) + " twice");
    seen[layer] = true;
    receive_(what, layer, rows, n_columns, n_rows);
}

const float * activation_capture::read(const ggml_tensor * rows) {
    if (rows->type != GGML_TYPE_F32) refuse(std::string("an activation is computed in ") + ggml_type_name(rows->type));
    const ggml_backend_buffer_t owner = rows->view_src ? rows->view_src->buffer : rows->buffer;
    if (ggml_is_contiguous(rows)) {
        if (ggml_backend_buffer_is_host(owner)) return static_cast<const float *>(rows->data);
        buffer_.resize((size_t) ggml_nelements(rows));
        ggml_backend_tensor_get(rows, buffer_.data(), 0, ggml_nbytes(rows));
        return buffer_.data();
    }
    // With gaps: row by row, or value by value where these have gaps too.
    buffer_.resize((size_t) ggml_nelements(rows));
    const int64_t n_at_once = rows->nb[0] == sizeof(float) ? rows->ne[0] : 1;
    float * out = buffer_.data();
    for (int64_t i3 = 0; i3 < rows->ne[3]; i3++)
        for (int64_t i2 = 0; i2 < rows->ne[2]; i2++)
            for (int64_t i1 = 0; i1 < rows->ne[1]; i1++)
                for (int64_t i0 = 0; i0 < rows->ne[0]; i0 += n_at_once, out += n_at_once) {
                    const size_t offset = (size_t) i0 * rows->nb[0] + (size_t) i1 * rows->nb[1] +
                                          (size_t) i2 * rows->nb[2] + (size_t) i3 * rows->nb[3];
                    ggml_backend_tensor_get(rows, out, offset, (size_t) n_at_once * sizeof(float));
                }
    return buffer_.data();
}

}  // namespace overfill
