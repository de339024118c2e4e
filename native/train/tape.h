// Reverse-mode differentiation over a ggml graph. Each function adds an operation to the graph and remembers how a
// gradient of its result becomes gradients of its operands; backward() adds those operations behind the others, last
// operation first. Gradients of leaves are added to tensors of the caller, so that several runs of the graph
// accumulate.
//
// This is not ggml's own autograd (ggml_build_backward_expand): that has no gradient of some operations that decoders
// need (GELU, joining a cache's rows with new ones, grouped heads of several sequences), and its gradient of a matrix
// product, GGML_OP_OUT_PROD, is slow on the CPU. Decision 11 has the measurements.
#pragma once

#include "architecture.h"
#include "matrix_product.h"
#include "rope_parameters.h"

#include <ggml.h>

#include <functional>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace overfill {

// K or V of the tokens before the batch's own, [head size, n_prefix, n_head_kv, n_sequences]; null: there are none.
struct attention_prefix {
    ggml_tensor * k = nullptr;
    ggml_tensor * v = nullptr;
};

class tape {
  public:
    // `on_cpu`: matrix products by the kernel of matrix_product.h.
    tape(ggml_context * ctx, ggml_cgraph * graph, bool on_cpu) : ctx_(ctx), graph_(graph), on_cpu_(on_cpu) {}

    // The leaf's gradient shall be added to `sum`, a tensor of its shape.
    void watch(ggml_tensor * leaf, ggml_tensor * sum);
    bool has_gradient(const ggml_tensor * tensor) const { return needed_.count(tensor) > 0; }

    // Rows [first, first + n) of a watched or unwatched leaf [n_in, n_out], or elements of a vector.
    ggml_tensor * rows(ggml_tensor * leaf, int64_t first, int64_t n);

    ggml_tensor * embed(ggml_tensor * table, ggml_tensor * index);  // [n_embd, n_index]; of results as well
    ggml_tensor * linear(ggml_tensor * weight, ggml_tensor * x);    // [n_out, n] of [n_in, n_out] and [n_in, n]
    ggml_tensor * add(ggml_tensor * a, ggml_tensor * b);            // b may be repeated to a's shape
    ggml_tensor * scale(ggml_tensor * x, float factor);
    ggml_tensor * soft_cap(ggml_tensor * x, float cap);  // cap * tanh(x / cap)
    ggml_tensor * reshape(ggml_tensor * x, int64_t ne0, int64_t ne1, int64_t ne2 = 1, int64_t ne3 = 1);
    ggml_tensor * swap_middle(ggml_tensor * x);  // [a, b, c, d] to [a, c, b, d]
    ggml_tensor * rms_norm(ggml_tensor * x, ggml_tensor * weight, float eps);
    // x [head size, n_head, n_tokens]; `factors` may be null.
    ggml_tensor * rope(ggml_tensor * x, ggml_tensor * positions, ggml_tensor * factors, const rope_parameters & rope);
    ggml_tensor * gated(ggml_tensor * gate, ggml_tensor * up, ffn_activation activation);
    // q [head size, n_tokens, n_head, n_sequences], k and v likewise with n_head_kv; mask [n_prefix + n_tokens,
    // n_tokens, 1, n_sequences], added to the scores; `cap`: of the scores before it, 0 for none. Gives q's shape (with
    // v's head size). `spans`, as visible_attention.h has them: what is masked is left out; null: it is computed, too.
    ggml_tensor * attention(ggml_tensor * q, ggml_tensor * k, ggml_tensor * v, const attention_prefix & prefix,
                            ggml_tensor * mask, float factor, float cap = 0, ggml_tensor * spans = nullptr);

    // The loss's gradients with respect to the results that it is made of. Once.
    struct known_gradient {
        ggml_tensor * output;
        ggml_tensor * gradient;
    };
    void backward(const std::vector<known_gradient> & known);

  private:
    using backward_function = std::function<void(ggml_tensor * gradient)>;
    ggml_tensor * record(ggml_tensor * result, std::initializer_list<ggml_tensor *> operands, backward_function back);
    void add_gradient(ggml_tensor * operand, ggml_tensor * gradient);
    ggml_tensor * product(const operand & a, const operand & b);
    ggml_tensor * shared_first(const operand & x);
    ggml_tensor * slope_of_gelu(ggml_tensor * x);
    ggml_tensor * capped(ggml_tensor * x, float cap);
    ggml_tensor * slope_of_cap(ggml_tensor * capped, float cap);

    struct step {
        ggml_tensor * result;
        backward_function back;
    };
    ggml_context * ctx_;
    ggml_cgraph * graph_;
    bool on_cpu_;
    std::vector<step> steps_;
    std::unordered_set<const ggml_tensor *> needed_;
    std::unordered_map<const ggml_tensor *, ggml_tensor *> sums_;       // of leaves
    std::unordered_map<const ggml_tensor *, ggml_tensor *> gradients_;  // of results
    std::unordered_map<const ggml_tensor *, ggml_tensor *> transposed_;
};

}  // namespace overfill
