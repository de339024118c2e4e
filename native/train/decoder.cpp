#include "decoder.h"

#include "failure.h"

#include <map>

namespace overfill {

decoder::decoder(const training_shape & shape, const parameter_set & parameters, const compute_device & device,
                 const trained_maps & maps)
    : shape_(shape), parameters_(parameters), maps_(maps), ctx_(make_tensor_context(shape.layers.size())) {
    std::map<std::vector<float>, ggml_tensor *> known;
    for (const training_layer & layer : shape.layers) {
        ggml_tensor * factors = nullptr;
        if (!layer.rope.factors.empty()) {
            ggml_tensor *& tensor = known[layer.rope.factors];
            if (!tensor) tensor = ggml_new_tensor_1d(ctx_.get(), GGML_TYPE_F32, (int64_t) layer.rope.factors.size());
            factors = tensor;
        }
        factors_.push_back(factors);
    }
    if (known.empty()) return;
    buffer_ = device.allocate(ctx_.get());
    for (const auto & [values, tensor] : known)
        ggml_backend_tensor_set(tensor, values.data(), 0, values.size() * sizeof(float));
}

int64_t decoder::n_prefix_k(size_t layer) const {
    const ggml_tensor * weight = maps_.k(layer).weight;
    return weight ? weight->ne[0] : shape_.n_embd_k();
}

int64_t decoder::n_prefix_v(size_t layer) const {
    const ggml_tensor * weight = maps_.v(layer).weight;
    return weight ? weight->ne[0] : shape_.n_embd_v();
}

// One forward pass: the weights it has asked for so far, and the steps of a block.
struct decoder::pass {
    const decoder & of;
    const training_shape & shape;
    tape & t;
    const decoder_inputs & in;
    decoder_rows * kept;
    std::set<const ggml_tensor *> used;

    int64_t n() const { return in.n_tokens * in.n_sequences; }

    ggml_tensor * optional(const std::string & name) {
        ggml_tensor * weight = of.parameters_.find(name);
        if (weight) used.insert(weight);
        return weight;
    }
    ggml_tensor * weight(const std::string & name) {
        if (ggml_tensor * found = optional(name)) return found;
        throw failure(error_code::model_invalid, "the model has no tensor " + name, { { "tensor", name } });
    }
    static std::string block_name(size_t il, const char * name) { return "blk." + std::to_string(il) + "." + name; }

    ggml_tensor * biased(ggml_tensor * x, ggml_tensor * bias) { return bias ? t.add(x, bias) : x; }
    ggml_tensor * scaled(ggml_tensor * x, float factor) { return factor == 1 ? x : t.scale(x, factor); }
    ggml_tensor * linear(size_t il, const char * name, ggml_tensor * x) {
        const std::string base = block_name(il, name);
        ggml_tensor * matrix = weight(base + ".weight");
        return biased(adapted(matrix, x, t.linear(matrix, x), 0, matrix->ne[1]), optional(base + ".bias"));
    }
    // With what the matrix's low-rank factors add to its rows [first, first + count).
    ggml_tensor * adapted(const ggml_tensor * matrix, ggml_tensor * x, ggml_tensor * out, int64_t first,
                          int64_t count) {
        const auto [a, b, factor] = of.parameters_.factors_of(matrix);
        if (!a) return out;
        ggml_tensor * rows = count == b->ne[1] ? b : t.rows(b, first, count);
        return t.add(out, t.scale(t.linear(rows, t.linear(a, x)), factor));
    }
    ggml_tensor * norm(const std::string & name, ggml_tensor * x) {
        return t.rms_norm(x, weight(name), shape.norm_eps);
    }

    // Rows [first, first + count) of a matrix that holds several.
    ggml_tensor * part(size_t il, const char * name, ggml_tensor * x, int64_t first, int64_t count) {
        const std::string base = block_name(il, name);
        ggml_tensor * bias = optional(base + ".bias");
        ggml_tensor * matrix = weight(base + ".weight");
        return biased(adapted(matrix, x, t.linear(t.rows(matrix, first, count), x), first, count),
                      bias ? t.rows(bias, first, count) : nullptr);
    }

    // [n_head * head size, n] to [head size, n_head, n], normalised and turned. `before`: as it was until then.
    ggml_tensor * heads(size_t il, ggml_tensor * x, int64_t head_size, int64_t n_head, const char * norm_name,
                        ggml_tensor ** before = nullptr) {
        const qk_norm kind = shape.arch.qk;
        const rope_parameters & rope = shape.layers[il].rope;
        const std::string name = block_name(il, norm_name);
        if (kind == qk_norm::all_heads) x = norm(name, x);
        x = t.reshape(x, head_size, n_head, n());
        if (kind == qk_norm::head) x = norm(name, x);
        if (before) *before = kind == qk_norm::head_after_rope ? nullptr : x;
        x = t.rope(x, in.positions, of.factors_[il], rope);
        if (kind == qk_norm::head_after_rope) x = norm(name, x);
        return x;
    }
    // [head size, n_head, n] to [head size, n_tokens, n_head, n_sequences]
    ggml_tensor * by_head(ggml_tensor * x, int64_t head_size, int64_t n_head, int64_t n_rows) {
        return t.swap_middle(t.reshape(x, head_size, n_head, n_rows, in.n_sequences));
    }

    // The prefix as the student's cache has it: what a translate handover does with rows before and behind their map.
    ggml_tensor * mapped(const trained_maps::map & map, ggml_tensor * rows) {
        if (!map.weight) return rows;
        return biased(t.linear(map.weight, t.reshape(rows, rows->ne[0], rows->ne[1] * rows->ne[2])), map.bias);
    }
    attention_prefix prefix(size_t il) {
        if (in.prefix_k.empty()) return {};
        const int64_t n_prefix = in.prefix_k[il]->ne[1];
        const trained_maps::map map_k = of.maps_.k(il);
        ggml_tensor * k = mapped(map_k, in.prefix_k[il]);
        if (map_k.weight && of.maps_.before_rope())
            k = t.rope(t.reshape(k, shape.head_size_k, shape.n_head_kv, n_prefix * in.n_sequences), in.prefix_positions,
                       of.factors_[il], shape.layers[il].rope);
        ggml_tensor * v = mapped(of.maps_.v(il), in.prefix_v[il]);
        return { by_head(k, shape.head_size_k, shape.n_head_kv, n_prefix),
                 by_head(v, shape.head_size_v, shape.n_head_kv, n_prefix) };
    }

    void keep(ggml_tensor * k, ggml_tensor * k_before, ggml_tensor * v) {
        const auto rows = [&](ggml_tensor * x, int64_t n_embd) {
            return x ? t.reshape(x, n_embd, in.n_tokens, in.n_sequences) : nullptr;
        };
        kept->k.push_back(rows(k, shape.n_embd_k()));
        kept->k_before_rope.push_back(rows(k_before, shape.n_embd_k()));
        kept->v.push_back(rows(v, shape.n_embd_v()));
    }

    ggml_tensor * attention(size_t il, ggml_tensor * x) {
        const int64_t size_k = shape.head_size_k, size_v = shape.head_size_v;
        const int64_t n_q = shape.n_head * size_k, n_k = shape.n_embd_k(), n_v = shape.n_embd_v();
        ggml_tensor *q, *k, *v;
        if (of.parameters_.find(block_name(il, "attn_qkv.weight"))) {
            q = part(il, "attn_qkv", x, 0, n_q);
            k = part(il, "attn_qkv", x, n_q, n_k);
            v = part(il, "attn_qkv", x, n_q + n_k, n_v);
        } else {
            q = linear(il, "attn_q", x);
            k = linear(il, "attn_k", x);
            v = linear(il, "attn_v", x);
        }
        ggml_tensor * k_before = nullptr;
        q = by_head(heads(il, q, size_k, shape.n_head, "attn_q_norm.weight"), size_k, shape.n_head, in.n_tokens);
        k = heads(il, k, size_k, shape.n_head_kv, "attn_k_norm.weight", &k_before);
        if (kept) keep(k, k_before, v);
        k = by_head(k, size_k, shape.n_head_kv, in.n_tokens);
        v = by_head(v, size_v, shape.n_head_kv, in.n_tokens);
        const bool slides = shape.layers[il].sliding;
        ggml_tensor * mask = slides ? in.sliding_mask : in.mask;
        ggml_tensor * spans = slides ? in.sliding_spans : in.spans;
        ggml_tensor * out =
            t.swap_middle(t.attention(q, k, v, prefix(il), mask, shape.attention_factor, shape.attention_cap, spans));
        return linear(il, "attn_output", t.reshape(out, size_v * shape.n_head, n()));
    }

    ggml_tensor * ffn(size_t il, ggml_tensor * x) {
        ggml_tensor *gate, *up;
        if (shape.arch.fused_gate_up) {
            gate = part(il, "ffn_up", x, 0, shape.n_ff);
            up = part(il, "ffn_up", x, shape.n_ff, shape.n_ff);
        } else {
            gate = linear(il, "ffn_gate", x);
            up = linear(il, "ffn_up", x);
        }
        return linear(il, "ffn_down", t.gated(gate, up, shape.arch.activation));
    }

    ggml_tensor * block(size_t il, ggml_tensor * x) {
        const bool before = shape.arch.norms != norm_place::after, after = shape.arch.norms != norm_place::before;
        ggml_tensor * out = attention(il, before ? norm(block_name(il, "attn_norm.weight"), x) : x);
        if (after) out = norm(block_name(il, "post_attention_norm.weight"), out);
        x = t.add(scaled(out, shape.residual_factor), x);
        const std::string ffn_norm = std::string(shape.arch.ffn_norm) + ".weight";
        out = ffn(il, before ? norm(block_name(il, ffn_norm.c_str()), x) : x);
        if (after) out = norm(block_name(il, "post_ffw_norm.weight"), out);
        return t.add(scaled(out, shape.residual_factor), x);
    }

    ggml_tensor * logits() {
        ggml_tensor * table = weight("token_embd.weight");
        ggml_tensor * x = t.embed(table, in.tokens);
        x = scaled(x, shape.embedding_factor);
        for (size_t il = 0; il < shape.layers.size(); il++) x = block(il, x);
        if (in.asked) x = t.embed(x, in.asked);
        x = norm("output_norm.weight", x);
        ggml_tensor * output = shape.arch.tied_output ? nullptr : optional("output.weight");
        x = biased(t.linear(output ? output : table, x), optional("output.bias"));
        x = scaled(x, shape.logit_factor);
        return shape.logit_cap != 0 ? t.soft_cap(x, shape.logit_cap) : x;
    }
};

ggml_tensor * decoder::forward(tape & t, const decoder_inputs & in, decoder_rows * kept) const {
    pass p{ *this, shape_, t, in, kept, {} };
    ggml_tensor * logits = p.logits();
    for (const ggml_tensor * weight : parameters_.all()) {
        const std::string name = weight->name;
        // Factors came with the shape.
        if (p.used.count(weight) || name.find("rope_") != std::string::npos) continue;
        throw failure(error_code::model_unsupported, "the training graph has no use for the tensor " + name,
                      { { "architecture", shape_.arch.name }, { "tensor", name } });
    }
    return logits;
}

}  // namespace overfill
