#include "cut_layout.h"

#include "failure.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace overfill {

static failure unsupported(const parent_model & parent, const std::string & why) {
    return failure(error_code::prune_unsupported, parent.path() + " " + why,
                   { { "path", parent.path() }, { "architecture", parent.arch().name } });
}

namespace {

// Ours and the parent's channels, made into cuts.
class cuts_of_layer {
  public:
    cuts_of_layer(const model_shape & shape, const kept_parts & kept, const kept_counts & counts, size_t layer) {
        ffn = cut(kept.ffn[layer], shape.n_ff, counts.n_ff);
        std::vector<int32_t> both = ffn->whole ? all(shape.n_ff) : ffn->from;
        const size_t n = both.size();
        both.resize(2 * n);
        for (size_t i = 0; i < n; i++) both[n + i] = both[i] < 0 ? -1 : both[i] + (int32_t) shape.n_ff;
        gate_up = made(std::move(both), 2 * (int64_t) shape.n_ff);
        query = made(channels(kept.heads[layer], shape.head_size_k), (int64_t) shape.n_head * shape.head_size_k);
        heads = made(channels(kept.heads[layer], shape.head_size_v), (int64_t) shape.n_head * shape.head_size_v);
        key = made(channels(kept.kv_heads[layer], shape.head_size_k), (int64_t) shape.n_head_kv * shape.head_size_k);
        value = made(channels(kept.kv_heads[layer], shape.head_size_v), (int64_t) shape.n_head_kv * shape.head_size_v);
    }

    // The cut of a part that begins at `offset` of a longer axis.
    static axis_cut_ptr shifted(const axis_cut & part, int64_t offset) {
        std::vector<int32_t> from = part.whole ? all(part.n) : part.from;
        for (int32_t & i : from)
            if (i >= 0) i += (int32_t) offset;
        return made(std::move(from), -1);
    }

    static axis_cut_ptr joined(const std::vector<axis_cut_ptr> & parts, int64_t n_parent) {
        std::vector<int32_t> from;
        for (const axis_cut_ptr & part : parts) from.insert(from.end(), part->from.begin(), part->from.end());
        return made(std::move(from), n_parent);
    }

    static axis_cut_ptr whole(int64_t n) { return std::make_shared<axis_cut>(axis_cut{ true, {}, n }); }

    static axis_cut_ptr cut(const std::vector<uint32_t> & kept, int64_t n_parent, int64_t n) {
        std::vector<int32_t> from(kept.begin(), kept.end());
        from.resize((size_t) n, -1);
        return made(std::move(from), n_parent);
    }

    axis_cut_ptr ffn, gate_up, query, key, value, heads;

  private:
    static std::vector<int32_t> all(int64_t n) {
        std::vector<int32_t> out((size_t) n);
        std::iota(out.begin(), out.end(), 0);
        return out;
    }

    static axis_cut_ptr made(std::vector<int32_t> from, int64_t n_parent) {
        axis_cut out;
        out.n = (int64_t) from.size();
        out.whole = out.n == n_parent;
        for (size_t i = 0; i < from.size() && out.whole; i++) out.whole = from[i] == (int32_t) i;
        if (!out.whole) out.from = std::move(from);
        return std::make_shared<axis_cut>(std::move(out));
    }

    static std::vector<int32_t> channels(const std::vector<uint32_t> & kept, uint32_t size) {
        std::vector<int32_t> out;
        for (const uint32_t head : kept)
            for (uint32_t i = 0; i < size; i++) out.push_back((int32_t) (head * size + i));
        return out;
    }
};

void check_kept(const model_shape & shape, const kept_parts & kept, const kept_counts & counts) {
    const auto wrong = [](const std::string & what) {
        return failure(error_code::invalid_argument, "the parts to keep do not fit the model: " + what,
                       { { "parameter", "kept" } });
    };
    const auto check = [&](const std::vector<uint32_t> & part, uint32_t n_parent, const char * what) {
        if (part.empty()) throw wrong(std::string("no ") + what);
        for (size_t i = 0; i < part.size(); i++)
            if (part[i] >= n_parent || (i > 0 && part[i] <= part[i - 1]))
                throw wrong(std::string(what) + " are not ascending indices below " + std::to_string(n_parent));
    };
    check(kept.hidden, shape.n_embd, "hidden channels");
    check(kept.layers, shape.n_layer, "layers");
    const size_t n_layer = kept.layers.size();
    if (n_layer != counts.n_layer || kept.ffn.size() != n_layer || kept.heads.size() != n_layer ||
        kept.kv_heads.size() != n_layer)
        throw wrong("they are not for " + std::to_string(counts.n_layer) + " layers");
    if (kept.hidden.size() > counts.n_embd) throw wrong("more hidden channels than the width");
    const uint32_t group = shape.n_head / shape.n_head_kv;
    for (size_t i = 0; i < n_layer; i++) {
        check(kept.ffn[i], shape.n_ff, "FFN channels");
        check(kept.heads[i], shape.n_head, "heads");
        check(kept.kv_heads[i], shape.n_head_kv, "KV heads");
        if (kept.ffn[i].size() > counts.n_ff || kept.ffn[i].size() != kept.ffn[0].size())
            throw wrong("layers of different FFN widths");
        if (kept.heads[i].size() != counts.n_head || kept.kv_heads[i].size() != counts.n_head_kv ||
            counts.n_head % counts.n_head_kv != 0)
            throw wrong("a different number of heads");
        const uint32_t kept_group = counts.n_head / counts.n_head_kv;
        for (uint32_t h = 0; h < counts.n_head; h++)
            if (kept.heads[i][h] / group != kept.kv_heads[i][h / kept_group])
                throw wrong("KV groups of different sizes, or heads without their KV head");
    }
}

// What the graph multiplies Q by.
double attention_scale(const architecture & row, const model_shape & shape, uint32_t n_layer, uint32_t n_embd,
                       uint32_t n_head) {
    const bool wide = row.wide_scale_layers != 0 && n_layer == row.wide_scale_layers;
    return 1 / std::sqrt((double) (wide ? n_embd / n_head : shape.head_size_k));
}

class layout_builder {
  public:
    layout_builder(const parent_model & parent, const kept_parts & kept, const kept_counts & counts, bool compensate)
        : parent_(parent), kept_(kept), counts_(counts), compensate_(compensate) {
        out_.target = &target_architecture(parent, counts);
        const model_shape & shape = parent.shape();
        hidden_ = cuts_of_layer::cut(kept.hidden, shape.n_embd, counts.n_embd);
        for (size_t i = 0; i < kept.layers.size(); i++) layers_.emplace_back(shape, kept, counts, i);

        // Uncompensated, a norm goes by the channels that are left; zeros added to them must still not count.
        const double n_counted = compensate ? shape.n_embd : (double) kept.hidden.size();
        out_.eps_scale = n_counted / counts.n_embd;
        out_.norm_scale = std::sqrt(out_.eps_scale);
        if (parent.arch().scaled_embedding) embedding_scale_ = std::sqrt((double) shape.n_embd / counts.n_embd);
        query_scale_ = attention_scale(parent.arch(), shape, shape.n_layer, shape.n_embd, shape.n_head) /
                       attention_scale(parent.arch(), shape, counts.n_layer, counts.n_embd, counts.n_head);
        if (!std::isfinite(query_scale_) || query_scale_ == 0)
            throw unsupported(parent, "cannot have fewer hidden channels than heads");
    }

    cut_layout build() {
        std::vector<int> ours(parent_.shape().n_layer, -1);
        for (size_t i = 0; i < kept_.layers.size(); i++) ours[kept_.layers[i]] = (int) i;
        for (const stored_tensor & source : parent_.tensors()) {
            tensor_cut tensor;
            tensor.source = &source;
            tensor.axes = *axes_of(parent_.arch(), source.name);
            if (tensor.axes.layer >= 0 && ours[(size_t) tensor.axes.layer] < 0) continue;
            layer_ = tensor.axes.layer < 0 ? -1 : ours[(size_t) tensor.axes.layer];
            tensor.name = tensor_name(layer_, tensor.axes.base);
            tensor.columns = cut_of(tensor.axes.in, source.ne[0]);
            tensor.rows = cut_of(tensor.axes.out, source.ne[1]);
            set_scale(tensor);
            if (out_.target == &parent_.arch() || !add_parts(tensor)) add(std::move(tensor));
        }
        return std::move(out_);
    }

  private:
    void add(tensor_cut tensor) {
        tensor.ne[0] = tensor.columns->n;
        tensor.ne[1] = tensor.rows->n;
        out_.tensors.push_back(std::move(tensor));
    }

    axis_cut_ptr cut_of(tensor_axis axis, int64_t n) const {
        const cuts_of_layer * layer = layer_ < 0 ? nullptr : &layers_[(size_t) layer_];
        switch (axis) {
        case tensor_axis::hidden: return hidden_;
        case tensor_axis::ffn: return layer->ffn;
        case tensor_axis::gate_up: return layer->gate_up;
        case tensor_axis::query: return layer->query;
        case tensor_axis::key: return layer->key;
        case tensor_axis::value: return layer->value;
        case tensor_axis::heads: return layer->heads;
        case tensor_axis::query_key_value: {
            const auto parts = parts_of(*layer);
            return cuts_of_layer::joined({ parts[0], parts[1], parts[2] }, n);
        }
        default: return cuts_of_layer::whole(n);
        }
    }

    // Q, K and V within the fused axis.
    std::vector<axis_cut_ptr> parts_of(const cuts_of_layer & layer) const {
        const int64_t query = axis_length(tensor_axis::query, parent_.shape()),
                      key = axis_length(tensor_axis::key, parent_.shape());
        return { cuts_of_layer::shifted(*layer.query, 0), cuts_of_layer::shifted(*layer.key, query),
                 cuts_of_layer::shifted(*layer.value, query + key) };
    }

    void set_scale(tensor_cut & tensor) const {
        const std::string & base = tensor.axes.base;
        if (tensor.axes.hidden_norm()) tensor.scale = out_.norm_scale;
        if (base == "token_embd.weight") tensor.scale = embedding_scale_;
        // The output matrix is the embedding's, so its scale is taken back before it.
        if (base == "output_norm.weight" && !parent_.find("output.weight")) tensor.scale /= embedding_scale_;
        if (tensor.axes.is_norm && !tensor.axes.hidden_norm() && parent_.arch().qk == qk_norm::all_heads && compensate_)
            tensor.scale = std::sqrt((double) tensor.source->ne[0] / (double) tensor.columns->n);
        if (query_scale_ == 1) return;
        const bool normed = parent_.arch().qk != qk_norm::none;
        if (normed ? base == "attn_q_norm.weight" : base == "attn_q.weight" || base == "attn_q.bias")
            tensor.scale *= query_scale_;
        if (!normed && (base == "attn_qkv.weight" || base == "attn_qkv.bias")) {
            tensor.scale = query_scale_;
            tensor.n_scaled_rows = layers_[(size_t) layer_].query->n;
        }
    }

    // The carriers have Q, K and V, and the FFN's gate and up matrices, apart.
    bool add_parts(const tensor_cut & tensor) {
        const std::string & base = tensor.axes.base;
        const bool bias = tensor.axes.vector();
        const auto add_part = [&](const std::string & part_base, const axis_cut_ptr & part) {
            tensor_cut one = tensor;
            one.name = tensor_name(layer_, part_base);
            (bias ? one.columns : one.rows) = part;
            add(std::move(one));
        };
        if (base == "attn_qkv.weight" || base == "attn_qkv.bias") {
            const std::string ending = base.substr(base.find('.'));
            const auto parts = parts_of(layers_[(size_t) layer_]);
            add_part("attn_q" + ending, parts[0]);
            add_part("attn_k" + ending, parts[1]);
            add_part("attn_v" + ending, parts[2]);
            return true;
        }
        if (tensor.axes.out == tensor_axis::gate_up) {
            const axis_cut & ffn = *layers_[(size_t) layer_].ffn;
            add_part("ffn_gate.weight", cuts_of_layer::shifted(ffn, 0));
            add_part("ffn_up.weight", cuts_of_layer::shifted(ffn, parent_.shape().n_ff));
            return true;
        }
        return false;
    }

    const parent_model & parent_;
    const kept_parts & kept_;
    const kept_counts & counts_;
    const bool compensate_;
    cut_layout out_;
    axis_cut_ptr hidden_;
    std::vector<cuts_of_layer> layers_;
    double embedding_scale_ = 1, query_scale_ = 1;
    int layer_ = -1;  // ours, of the tensor at hand
};

}  // namespace

const architecture & target_architecture(const parent_model & parent, const kept_counts & counts) {
    const architecture & row = parent.arch();
    const model_shape & shape = parent.shape();
    const uint64_t attention_width = (uint64_t) counts.n_head * shape.head_size_k;
    const bool square = !row.square_attention || counts.n_embd == attention_width;
    const bool has_rope = row.rope_layers == 0 || counts.n_layer == row.rope_layers;
    if (square && has_rope) return row;
    const std::string wanted = "llama.cpp's " + std::string(row.name) + " needs a width of heads x head size (" +
                               std::to_string(attention_width) + ", not " + std::to_string(counts.n_embd) + ")";
    if (!row.carrier)
        throw unsupported(parent, "cannot have such a width: " + wanted +
                                      ", and no other architecture computes the same; prune heads in the same ratio");
    const auto number = [&](const char * key) { return parent.metadata().number(row.name + std::string(".") + key); };
    const char * obstacle = nullptr;
    if (shape.head_size_k != shape.head_size_v) obstacle = "K and V heads of different sizes";
    if (number("rope.dimension_count").value_or(shape.head_size_k) != shape.head_size_k)
        obstacle = "RoPE on a part of each head";
    if (parent.find("output.bias")) obstacle = "output.bias";
    if (parent.find("rope_factors_long.weight") || parent.find("rope_factors_short.weight"))
        obstacle = "long RoPE factors";
    if (obstacle)
        throw unsupported(parent, "cannot have such a width: " + wanted + ", and " + row.carrier +
                                      ", which otherwise computes the same, has no " + obstacle +
                                      "; prune heads in the same ratio");
    return *find_architecture(row.carrier);
}

cut_layout lay_out(const parent_model & parent, const kept_parts & kept, const kept_counts & counts, bool compensate) {
    check_kept(parent.shape(), kept, counts);
    // A layer's number decides whether it has RoPE; the layers that stay must keep theirs.
    if (const unsigned step = parent.arch().rope_free_step)
        for (size_t i = 0; i < kept.layers.size(); i++)
            if ((i + 1) % step == 0 ? (kept.layers[i] + 1) % step != 0 : (kept.layers[i] + 1) % step == 0)
                throw unsupported(parent, "cannot lose these layers: one in every " + std::to_string(step) +
                                              " layers has no RoPE, and layer " + std::to_string(kept.layers[i]) +
                                              " would become layer " + std::to_string(i));
    return layout_builder(parent, kept, counts, compensate).build();
}

kept_parts first_parts(const model_shape & shape, const kept_counts & counts) {
    const auto first = [](uint32_t n) {
        std::vector<uint32_t> indices(n);
        std::iota(indices.begin(), indices.end(), 0u);
        return indices;
    };
    kept_parts kept;
    kept.hidden = first(std::min(counts.n_embd, shape.n_embd));
    kept.layers = first(counts.n_layer);
    kept.ffn.assign(counts.n_layer, first(std::min(counts.n_ff, shape.n_ff)));
    kept.kv_heads.assign(counts.n_layer, first(counts.n_head_kv));
    std::vector<uint32_t> heads;
    const uint32_t group = shape.n_head / shape.n_head_kv;
    const uint32_t kept_group = counts.n_head_kv ? counts.n_head / counts.n_head_kv : 0;
    for (uint32_t kv = 0; kv < counts.n_head_kv; kv++)
        for (uint32_t i = 0; i < kept_group; i++) heads.push_back(kv * group + i);
    kept.heads.assign(counts.n_layer, heads);
    return kept;
}

}  // namespace overfill
