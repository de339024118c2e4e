#include "loss.h"

#include "loss_kernel.h"

#include <cstring>
#include <vector>

namespace overfill {

// A probability of zero would have an infinite logarithm. The gradient does not go through the logarithm and is exact.
static constexpr float least_probability = 1e-37f;

static ggml_tensor * log_of(ggml_context * ctx, ggml_tensor * p) {
    return ggml_log(ctx, ggml_clamp(ctx, p, least_probability, 1.0f));
}

// --- on the CPU ---

// Most of ggml's operations above run on one thread there.

static_assert(sizeof(void *) >= 2 * sizeof(float), "a node carries the distillation in the place of a pointer");
static void * carried(const distillation & distil) {
    const float values[2] = { distil.share, distil.temperature };
    void * out = nullptr;
    std::memcpy(&out, values, sizeof values);
    return out;
}
static distillation distillation_in(void * carried) {
    float values[2];
    std::memcpy(values, &carried, sizeof values);
    return { values[0], values[1] };
}

namespace {

// What is kept of each token: rows of [n, n_kept].
enum kept { entropy, divergence, student_most, teacher_most, sum, student_sum, teacher_sum, n_kept };

// Calls back with each token: its number, its row, its weight.
template <class Work>
void each_token(const ggml_tensor * node, int thread, int n_threads, const distillation & distil, const Work & work) {
    const ggml_tensor *logits = node->src[0], *weights = node->src[1], *targets = node->src[2];
    const ggml_tensor * teacher = distil.share > 0 ? node->src[3] : nullptr;
    const int64_t n_vocab = logits->ne[0], n = logits->ne[1];
    const auto row_of = [](const ggml_tensor * x, int64_t row) {
        return reinterpret_cast<const float *>(static_cast<const char *>(x->data) + row * (int64_t) x->nb[1]);
    };
    for (int64_t i = n * thread / n_threads; i < n * (thread + 1) / n_threads; i++) {
        loss_row row{};
        row.logits = row_of(logits, i);
        row.teacher = teacher ? row_of(teacher, i) : nullptr;
        row.n = n_vocab;
        row.target = static_cast<const int32_t *>(targets->data)[i] - i * n_vocab;
        row.temperature = distil.temperature;
        work(i, row, static_cast<const float *>(weights->data)[i]);
    }
}

void sums_node(ggml_tensor * node, int thread, int n_threads, void * carried) {
    auto * out = static_cast<float *>(node->data);
    const int64_t n = node->ne[0];
    each_token(node, thread, n_threads, distillation_in(carried), [&](int64_t i, const loss_row & row, float weight) {
        float values[n_kept] = {};
        // Of a token without weight nobody asks.
        if (weight != 0) {
            const loss_sums sums = loss_kernels().front().sums(row, values[entropy], values[divergence]);
            values[student_most] = sums.student_most;
            values[teacher_most] = sums.teacher_most;
            values[sum] = sums.sum;
            values[student_sum] = sums.student_sum;
            values[teacher_sum] = sums.teacher_sum;
        }
        for (int which = 0; which < n_kept; which++) out[which * n + i] = values[which];
    });
}

void gradient_node(ggml_tensor * node, int thread, int n_threads, void * carried) {
    const distillation distil = distillation_in(carried);
    const ggml_tensor * stored = node->src[distil.share > 0 ? 4 : 3];
    const auto * kept = static_cast<const float *>(stored->data);
    const int64_t n = stored->ne[0];
    each_token(node, thread, n_threads, distil, [&](int64_t i, const loss_row & row, float weight) {
        float * out = static_cast<float *>(node->data) + i * row.n;
        if (weight == 0) {
            std::memset(out, 0, sizeof(float) * (size_t) row.n);
            return;
        }
        const auto value = [&](int which) { return kept[which * n + i]; };
        const loss_sums sums{ value(student_most), value(teacher_most), value(sum), value(student_sum),
                              value(teacher_sum) };
        loss_kernels().front().gradient(row, sums, weight * (1 - distil.share),
                                        weight * distil.share * distil.temperature, out);
    });
}

}  // namespace

static loss_outputs build_on_cpu(ggml_context * ctx, const loss_inputs & in, const distillation & distil) {
    const int64_t n_vocab = in.logits->ne[0], n = in.logits->ne[1];
    std::vector<ggml_tensor *> sources = { in.logits, in.weights, in.target_i32 };
    if (distil.share > 0) sources.push_back(in.teacher);
    ggml_tensor * sums = ggml_custom_4d(ctx, GGML_TYPE_F32, n, n_kept, 1, 1, sources.data(), (int) sources.size(),
                                        sums_node, GGML_N_TASKS_MAX, carried(distil));
    // Views of it are read when all has run.
    ggml_set_output(sums);
    sources.push_back(sums);
    loss_outputs out;
    out.gradient = ggml_custom_4d(ctx, GGML_TYPE_F32, n_vocab, n, 1, 1, sources.data(), (int) sources.size(),
                                  gradient_node, GGML_N_TASKS_MAX, carried(distil));
    const auto view = [&](kept which) {
        return ggml_view_2d(ctx, sums, 1, n, sizeof(float), (size_t) (which * n) * sizeof(float));
    };
    out.cross_entropy = view(entropy);
    if (distil.share > 0) out.divergence = view(divergence);
    return out;
}

loss_outputs build_loss(ggml_context * ctx, const loss_inputs & in, const distillation & distil, bool on_cpu) {
    if (on_cpu) return build_on_cpu(ctx, in, distil);
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
