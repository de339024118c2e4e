#include "loss.h"

namespace overfill {

// A probability of zero would have an infinite logarithm. The gradient does not go through the logarithm and is exact.
static constexpr float least_probability = 1e-37f;

static ggml_tensor * log_of(ggml_context * ctx, ggml_tensor * p) {
    return ggml_log(ctx, ggml_clamp(ctx, p, least_probability, 1.0f));
}

loss_outputs build_loss(ggml_context * ctx, const loss_inputs & in, const distillation & distil) {
    loss_outputs out;
    const int64_t n_values = ggml_nelements(in.logits);
    const bool distils = distil.share > 0;
    ggml_tensor * ce_weights = distils ? ggml_scale(ctx, in.weights, 1 - distil.share) : in.weights;

    // The gradient of a token's cross entropy is its distribution, less one at the target.
    ggml_tensor * p = ggml_soft_max(ctx, in.logits);
    ggml_tensor * of_target = ggml_get_rows(ctx, ggml_reshape_2d(ctx, p, 1, n_values), in.target_i32);  // [1, n]
    out.cross_entropy = ggml_neg(ctx, log_of(ctx, of_target));
    ggml_tensor * weighted = ggml_reshape_2d(ctx, ggml_mul(ctx, p, ce_weights), 1, n_values);
    ggml_tensor * at_target = ggml_mul(ctx, ggml_scale_bias(ctx, of_target, 1.0f, -1.0f), ce_weights);
    out.gradient = ggml_reshape(ctx, ggml_set_rows(ctx, weighted, at_target, in.target_i64), in.logits);
    if (!distils) return out;

    const float cooling = 1 / distil.temperature;
    ggml_tensor * student = ggml_soft_max_ext(ctx, in.logits, nullptr, cooling, /*max_bias*/ 0.0f);
    ggml_tensor * teacher = ggml_soft_max_ext(ctx, in.teacher, nullptr, cooling, /*max_bias*/ 0.0f);
    ggml_tensor * ratio = ggml_sub(ctx, log_of(ctx, teacher), log_of(ctx, student));
    out.divergence = ggml_sum_rows(ctx, ggml_mul(ctx, teacher, ratio));
    ggml_tensor * kl_weights = ggml_scale(ctx, in.weights, distil.share * distil.temperature);
    out.gradient = ggml_add(ctx, out.gradient, ggml_mul(ctx, ggml_sub(ctx, student, teacher), kl_weights));
    return out;
}

}  // namespace overfill
