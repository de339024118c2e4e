#include "tape.h"

#include "gated_back.h"
#include "visible_attention.h"

#include <algorithm>
#include <cmath>

namespace overfill {

static constexpr operand_order shared_last = operand_order::shared_last;

void tape::watch(ggml_tensor * leaf, ggml_tensor * sum) {
    needed_.insert(leaf);
    sums_[leaf] = sum;
}

ggml_tensor * tape::record(ggml_tensor * result, std::initializer_list<ggml_tensor *> operands,
                           backward_function back) {
    if (std::any_of(operands.begin(), operands.end(), [&](ggml_tensor * t) { return has_gradient(t); })) {
        needed_.insert(result);
        steps_.push_back({ result, std::move(back) });
    }
    return result;
}

void tape::add_gradient(ggml_tensor * operand, ggml_tensor * gradient) {
    if (const auto leaf = sums_.find(operand); leaf != sums_.end()) {
        // Placed at once: what the gradient was made of can then be forgotten before the next step.
        ggml_build_forward_expand(graph_, ggml_add_inplace(ctx_, leaf->second, gradient));
        return;
    }
    ggml_tensor *& known = gradients_[operand];
    known = known ? ggml_add(ctx_, known, gradient) : gradient;
}

void tape::backward(const std::vector<known_gradient> & known) {
    for (const auto & [output, gradient] : known) gradients_[output] = gradient;
    for (auto at = steps_.rbegin(); at != steps_.rend(); ++at) {
        const auto found = gradients_.find(at->result);
        if (found == gradients_.end()) continue;  // nothing that the loss comes from
        ggml_build_forward_expand(graph_, found->second);
        at->back(found->second);
    }
    steps_.clear();
}

ggml_tensor * tape::shared_first(const operand & x) {
    if (x.order == operand_order::shared_first) return x.tensor;
    ggml_tensor *& known = transposed_[x.tensor];
    if (!known) known = ggml_cont(ctx_, ggml_transpose(ctx_, x.tensor));
    return known;
}

ggml_tensor * tape::product(const operand & a, const operand & b) {
    return on_cpu_ ? product_on_cpu(ctx_, a, b) : ggml_mul_mat(ctx_, shared_first(a), shared_first(b));
}

ggml_tensor * tape::rows(ggml_tensor * leaf, int64_t first, int64_t n) {
    const auto part_of = [&](ggml_tensor * whole) {
        if (ggml_n_dims(whole) == 1) return ggml_view_1d(ctx_, whole, n, (size_t) first * ggml_element_size(whole));
        return ggml_view_2d(ctx_, whole, whole->ne[0], n, whole->nb[1], (size_t) first * whole->nb[1]);
    };
    ggml_tensor * part = part_of(leaf);
    if (const auto sum = sums_.find(leaf); sum != sums_.end()) watch(part, part_of(sum->second));
    return part;
}

ggml_tensor * tape::embed(ggml_tensor * table, ggml_tensor * index) {
    return record(ggml_get_rows(ctx_, table, index), { table },
                  [=](ggml_tensor * d) { add_gradient(table, ggml_get_rows_back(ctx_, d, index, table)); });
}

ggml_tensor * tape::linear(ggml_tensor * weight, ggml_tensor * x) {
    return record(product({ weight }, { x }), { weight, x }, [=](ggml_tensor * d) {
        // d [n_out, n]
        if (has_gradient(weight)) add_gradient(weight, product({ x, shared_last }, { d, shared_last }));
        if (has_gradient(x)) add_gradient(x, product({ weight, shared_last }, { d }));
    });
}

ggml_tensor * tape::add(ggml_tensor * a, ggml_tensor * b) {
    return record(ggml_add(ctx_, a, b), { a, b }, [=](ggml_tensor * d) {
        if (has_gradient(a)) add_gradient(a, d);
        if (has_gradient(b)) add_gradient(b, ggml_are_same_shape(a, b) ? d : ggml_repeat_back(ctx_, d, b));
    });
}

ggml_tensor * tape::scale(ggml_tensor * x, float factor) {
    return record(ggml_scale(ctx_, x, factor), { x },
                  [=](ggml_tensor * d) { add_gradient(x, ggml_scale(ctx_, d, factor)); });
}

ggml_tensor * tape::capped(ggml_tensor * x, float cap) {
    return ggml_scale(ctx_, ggml_tanh(ctx_, ggml_scale(ctx_, x, 1 / cap)), cap);
}

ggml_tensor * tape::slope_of_cap(ggml_tensor * capped, float cap) {
    return ggml_scale_bias(ctx_, ggml_sqr(ctx_, capped), -1 / (cap * cap), 1.0f);
}

ggml_tensor * tape::soft_cap(ggml_tensor * x, float cap) {
    ggml_tensor * out = capped(x, cap);
    return record(out, { x }, [=](ggml_tensor * d) { add_gradient(x, ggml_mul(ctx_, d, slope_of_cap(out, cap))); });
}

ggml_tensor * tape::reshape(ggml_tensor * x, int64_t ne0, int64_t ne1, int64_t ne2, int64_t ne3) {
    return record(ggml_reshape_4d(ctx_, x, ne0, ne1, ne2, ne3), { x },
                  [=](ggml_tensor * d) { add_gradient(x, ggml_reshape(ctx_, d, x)); });
}

ggml_tensor * tape::swap_middle(ggml_tensor * x) {
    return record(ggml_cont(ctx_, ggml_permute(ctx_, x, 0, 2, 1, 3)), { x },
                  [=](ggml_tensor * d) { add_gradient(x, ggml_cont(ctx_, ggml_permute(ctx_, d, 0, 2, 1, 3))); });
}

ggml_tensor * tape::rms_norm(ggml_tensor * x, ggml_tensor * weight, float eps) {
    ggml_tensor * unit = ggml_rms_norm(ctx_, x, eps);
    return record(ggml_mul(ctx_, unit, weight), { x, weight }, [=](ggml_tensor * d) {
        if (has_gradient(weight)) add_gradient(weight, ggml_repeat_back(ctx_, ggml_mul(ctx_, unit, d), weight));
        if (has_gradient(x)) add_gradient(x, ggml_rms_norm_back(ctx_, ggml_mul(ctx_, d, weight), x, eps));
    });
}

ggml_tensor * tape::rope(ggml_tensor * x, ggml_tensor * positions, ggml_tensor * factors,
                         const rope_parameters & rope) {
    if (rope.none()) return x;
    ggml_tensor * turned =
        ggml_rope_ext(ctx_, x, positions, factors, rope.n_dims, rope.type, rope.n_ctx_orig, rope.base, rope.scale,
                      rope.ext_factor, rope.attn_factor, rope.beta_fast, rope.beta_slow);
    return record(turned, { x }, [=](ggml_tensor * d) {
        add_gradient(x,
                     ggml_rope_ext_back(ctx_, d, positions, factors, rope.n_dims, rope.type, rope.n_ctx_orig, rope.base,
                                        rope.scale, rope.ext_factor, rope.attn_factor, rope.beta_fast, rope.beta_slow));
    });
}

// With t = tanh(u), u = c (x + a x^3): GELU is x (1 + t) / 2, and its derivative (1 + t) / 2 + x (1 - t^2) u' / 2.
ggml_tensor * tape::slope_of_gelu(ggml_tensor * x) {
    constexpr float a = 0.044715f, c = 0.79788456080286535588f;
    ggml_tensor * square = ggml_sqr(ctx_, x);
    ggml_tensor * t = ggml_tanh(ctx_, ggml_mul(ctx_, x, ggml_scale_bias(ctx_, square, a * c, c)));
    ggml_tensor * slope_of_u = ggml_scale_bias(ctx_, square, 3 * a * c, c);
    ggml_tensor * slope_of_t = ggml_mul(ctx_, ggml_scale_bias(ctx_, ggml_sqr(ctx_, t), -1.0f, 1.0f), slope_of_u);
    return ggml_add(ctx_, ggml_scale_bias(ctx_, t, 0.5f, 0.5f), ggml_mul(ctx_, ggml_scale(ctx_, x, 0.5f), slope_of_t));
}

ggml_tensor * tape::gated(ggml_tensor * gate, ggml_tensor * up, ffn_activation activation) {
    if (activation == ffn_activation::silu)
        return record(ggml_swiglu_split(ctx_, gate, up), { gate, up }, [=](ggml_tensor * d) {
            if (has_gradient(up))
                add_gradient(up, on_cpu_ ? silu_up_back(ctx_, gate, d) : ggml_mul(ctx_, ggml_silu(ctx_, gate), d));
            if (has_gradient(gate) && on_cpu_) return add_gradient(gate, gate_back(ctx_, gate, up, d, activation));
            if (has_gradient(gate)) add_gradient(gate, ggml_silu_back(ctx_, ggml_mul(ctx_, d, up), gate));
        });
    return record(ggml_geglu_split(ctx_, gate, up), { gate, up }, [=](ggml_tensor * d) {
        if (has_gradient(up)) add_gradient(up, ggml_mul(ctx_, ggml_gelu(ctx_, gate), d));
        if (has_gradient(gate) && on_cpu_) return add_gradient(gate, gate_back(ctx_, gate, up, d, activation));
        if (has_gradient(gate)) add_gradient(gate, ggml_mul(ctx_, ggml_mul(ctx_, d, up), slope_of_gelu(gate)));
    });
}

// Query heads that share a KV head lie next to each other, so that their rows are read as one longer list of queries:
// the products need no repeated K and V, and the sums over a group in the gradients come about by themselves.
ggml_tensor * tape::attention(ggml_tensor * q, ggml_tensor * k, ggml_tensor * v, const attention_prefix & prefix,
                              ggml_tensor * mask, float factor, float cap, ggml_tensor * spans) {
    const int64_t n = q->ne[1], n_head = q->ne[2], n_head_kv = k->ne[2], n_seq = q->ne[3];
    const int64_t n_grouped = n * (n_head / n_head_kv), n_prefix = prefix.k ? prefix.k->ne[1] : 0;
    const auto grouped = [=](ggml_tensor * x) {
        return ggml_reshape_4d(ctx_, x, x->ne[0], n_grouped, n_head_kv, n_seq);
    };
    const auto by_head = [=](ggml_tensor * x) { return ggml_reshape_4d(ctx_, x, x->ne[0], n, n_head, n_seq); };

    ggml_tensor * keys = n_prefix ? ggml_concat(ctx_, prefix.k, k, 1) : k;
    ggml_tensor * values = n_prefix ? ggml_concat(ctx_, prefix.v, v, 1) : v;
    ggml_tensor * queries = grouped(q);

    if (spans && on_cpu_ && cap == 0) {
        ggml_tensor * p = visible_softmax(ctx_, visible_scores(ctx_, keys, queries, spans), mask, spans, factor);
        ggml_tensor * out = by_head(visible_sums(ctx_, values, p, spans));
        const auto back = [=](ggml_tensor * gradient) {
            ggml_tensor * d = grouped(gradient);
            ggml_tensor * d_scores =
                visible_softmax_back(ctx_, visible_scores(ctx_, values, d, spans), p, spans, factor);
            const auto add = [&](ggml_tensor * to, ggml_tensor * of, ggml_tensor * weights, int64_t first) {
                if (!to || !has_gradient(to)) return;
                add_gradient(to, visible_key_sums(ctx_, of, weights, spans, first, to->ne[1]));
            };
            add(v, d, p, n_prefix);
            add(prefix.v, d, p, 0);
            add(k, queries, d_scores, n_prefix);
            add(prefix.k, queries, d_scores, 0);
            if (has_gradient(q)) add_gradient(q, by_head(visible_sums(ctx_, keys, d_scores, spans)));
        };
        if (prefix.k) return record(out, { q, k, v, prefix.k, prefix.v }, back);
        return record(out, { q, k, v }, back);
    }

    // [n_prefix + n, n, n_head, n_seq]
    ggml_tensor * scores = by_head(product({ keys }, { queries }));
    if (cap != 0) scores = capped(ggml_scale(ctx_, scores, factor), cap);
    const float rest = cap != 0 ? 1.0f : factor;  // what the softmax multiplies by
    ggml_tensor * p = ggml_soft_max_ext(ctx_, scores, mask, rest, /*max_bias*/ 0.0f);
    ggml_tensor * out = by_head(product({ values, shared_last }, { grouped(p) }));  // v's head size, then as q

    const auto part = [=](ggml_tensor * x, int64_t first, int64_t count) {
        return ggml_view_4d(ctx_, x, count, x->ne[1], x->ne[2], x->ne[3], x->nb[1], x->nb[2], x->nb[3],
                            (size_t) first * x->nb[0]);
    };
    const auto back = [=](ggml_tensor * gradient) {
        ggml_tensor * d = grouped(gradient);
        ggml_tensor * d_p = by_head(product({ values }, { d }));
        // In place, for else the allocator may let the result lie over p, and the CPU's kernel reads p too late.
        d_p = ggml_soft_max_ext_back_inplace(ctx_, d_p, p, rest, /*max_bias*/ 0.0f);
        if (cap != 0) d_p = ggml_scale(ctx_, ggml_mul(ctx_, d_p, slope_of_cap(scores, cap)), factor);
        ggml_tensor * d_scores = grouped(d_p);
        const auto add_k = [&](ggml_tensor * to, int64_t first) {
            if (!to || !has_gradient(to)) return;
            add_gradient(to, product({ queries, shared_last }, { part(d_scores, first, to->ne[1]), shared_last }));
        };
        const auto add_v = [&](ggml_tensor * to, int64_t first) {
            if (!to || !has_gradient(to)) return;
            add_gradient(to, product({ d, shared_last }, { part(grouped(p), first, to->ne[1]), shared_last }));
        };
        add_v(v, n_prefix);
        add_v(prefix.v, 0);
        add_k(k, n_prefix);
        add_k(prefix.k, 0);
        if (has_gradient(q)) add_gradient(q, by_head(product({ keys, shared_last }, { d_scores })));
    };
    if (prefix.k) return record(out, { q, k, v, prefix.k, prefix.v }, back);
    return record(out, { q, k, v }, back);
}

}  // namespace overfill
