// A token's loss and its gradient by every kernel, against float64, and as nodes of a graph against ggml's operations.
#include "check.h"
#include "compute_device.h"
#include "loss.h"
#include "loss_kernel.h"
#include "train_case.h"

#include <ggml-alloc.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>

using namespace overfill;
using namespace overfill::test;

namespace {

std::vector<double> distribution(const std::vector<float> & logits, double temperature) {
    double most = -INFINITY, sum = 0;
    for (const float value : logits) most = std::max(most, (double) value);
    std::vector<double> out;
    for (const float value : logits) sum += out.emplace_back(std::exp((value - most) / temperature));
    for (double & value : out) value /= sum;
    return out;
}

double relative(double value, double expected) { return std::fabs(value - expected) / (1 + std::fabs(expected)); }

}  // namespace

TEST("a token's loss and gradient are float64's, with distillation and without, whatever the vocabulary's size") {
    std::mt19937 random(4);
    for (const loss_kernel & kernel : loss_kernels()) {
        double worst = 0;
        for (const size_t n : { 2, 7, 16, 33, 1000 })
            for (const float spread : { 0.5f, 5.0f, 40.0f })
                for (const bool distils : { false, true }) {
                    const auto logits = random_values(n, spread, random), teacher = random_values(n, spread, random);
                    const double temperature = 2.5, of_entropy = 0.3, of_divergence = 0.8;
                    const loss_row row{ logits.data(), distils ? teacher.data() : nullptr, (int64_t) n,
                                        (int64_t) (n / 2), (float) temperature };
                    float entropy = 0, divergence = 0;
                    const loss_sums sums = kernel.sums(row, entropy, divergence);
                    std::vector<float> gradient(n, NAN);
                    kernel.gradient(row, sums, (float) of_entropy, (float) of_divergence, gradient.data());
                    const auto p = distribution(logits, 1), s = distribution(logits, temperature),
                               t = distribution(teacher, temperature);
                    double expected = 0;
                    for (size_t i = 0; i < n; i++)
                        if (t[i] > 0) expected += t[i] * (std::log(t[i]) - std::log(s[i]));
                    worst = std::max(worst, relative(entropy, std::min(-std::log(p[n / 2]), -std::log(1e-37))));
                    if (distils) worst = std::max(worst, relative(divergence, expected));
                    for (size_t i = 0; i < n; i++) {
                        const double slope =
                            of_entropy * (p[i] - (i == n / 2)) + (distils ? of_divergence * (s[i] - t[i]) : 0);
                        worst = std::max(worst, std::fabs(gradient[i] - slope));
                    }
                }
        std::printf("  %s: %.1e\n", kernel.name, worst);
        CHECK(worst < 3e-6);
    }
}

TEST("a logit that is no number makes the loss none, wherever it stands") {
    for (const loss_kernel & kernel : loss_kernels())
        for (const size_t at : { 0, 5, 18 }) {
            std::vector<float> logits(19, 0.5f);
            logits[at] = NAN;
            const loss_row row{ logits.data(), nullptr, 19, 3, 1 };
            float entropy = 0, divergence = 0;
            kernel.sums(row, entropy, divergence);
            CHECK(!std::isfinite(entropy));
        }
}

namespace {

constexpr int64_t n_vocab = 70, n_tokens = 11;

// Cross entropies, divergences and the gradient of tokens of which some have no weight.
std::vector<std::vector<float>> losses(const distillation & distil, bool by_kernel, int32_t n_threads) {
    std::mt19937 random(12);
    const compute_device device(n_threads);
    const ggml_context_ptr leaves = make_tensor_context(8);
    const ggml_context_ptr ctx(
        ggml_init({ 64 * ggml_tensor_overhead() + ggml_graph_overhead(), nullptr, /*no_alloc*/ true }));
    loss_inputs in;
    in.logits = ggml_new_tensor_2d(leaves.get(), GGML_TYPE_F32, n_vocab, n_tokens);
    in.teacher = ggml_dup_tensor(leaves.get(), in.logits);
    in.weights = ggml_new_tensor_2d(leaves.get(), GGML_TYPE_F32, 1, n_tokens);
    in.target_i32 = ggml_new_tensor_1d(leaves.get(), GGML_TYPE_I32, n_tokens);
    in.target_i64 = ggml_new_tensor_1d(leaves.get(), GGML_TYPE_I64, n_tokens);
    const ggml_backend_buffer_ptr buffer = device.allocate(leaves.get());
    const auto set = [](ggml_tensor * tensor, const auto & values) {
        ggml_backend_tensor_set(tensor, values.data(), 0, values.size() * sizeof(values[0]));
    };
    for (ggml_tensor * one : { in.logits, in.teacher }) set(one, random_values(n_vocab * n_tokens, 3, random));
    std::vector<float> weights;
    std::vector<int32_t> i32;
    std::vector<int64_t> i64;
    for (int64_t i = 0; i < n_tokens; i++) {
        weights.push_back(i % 4 == 1 ? 0 : 0.1f * (float) (i + 1));
        i64.push_back(i * n_vocab + i * 5 % n_vocab);
        i32.push_back((int32_t) i64.back());
    }
    set(in.weights, weights);
    set(in.target_i32, i32);
    set(in.target_i64, i64);

    ggml_cgraph * graph = ggml_new_graph(ctx.get());
    const loss_outputs out = build_loss(ctx.get(), in, distil, by_kernel);
    for (ggml_tensor * one : { out.cross_entropy, out.divergence, out.gradient })
        if (one) {
            ggml_set_output(one);
            ggml_build_forward_expand(graph, one);
        }
    const std::unique_ptr<ggml_gallocr, void (*)(ggml_gallocr_t)> memory(
        ggml_gallocr_new(ggml_backend_get_default_buffer_type(device.backend())), ggml_gallocr_free);
    ggml_gallocr_alloc_graph(memory.get(), graph);
    device.run(graph);
    std::vector<std::vector<float>> all = { values_of(out.gradient) };
    for (const ggml_tensor * one : { out.cross_entropy, out.divergence })
        if (one) {
            all.push_back(values_of(one));
            for (size_t i = 0; i < weights.size(); i++)
                if (weights[i] == 0) all.back()[i] = 0;
        }
    return all;
}

}  // namespace

TEST("the losses of a graph are the same by the kernels and by ggml's operations, on any number of threads") {
    for (const distillation & distil : { distillation{}, distillation{ 0.4f, 2.0f }, distillation{ 1.0f, 0.7f } }) {
        const auto expected = losses(distil, false, 1), all = losses(distil, true, 1);
        CHECK_EQUAL(all.size(), distil.share > 0 ? (size_t) 3 : (size_t) 2);
        CHECK_EQUAL(all.size(), expected.size());
        for (size_t i = 0; i < all.size(); i++)
            for (size_t j = 0; j < all[i].size(); j++)
                CHECK(std::fabs(all[i][j] - expected[i][j]) < 3e-6 * (1 + std::fabs(expected[i][j])));
        for (const int32_t n_threads : { 2, 3 }) CHECK(losses(distil, true, n_threads) == all);
    }
}
