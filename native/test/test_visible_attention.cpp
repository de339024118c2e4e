// Attention that leaves out what is masked: as attention over everything, on every instruction set and any number of
// threads, whatever was in memory where nothing is computed.
#include "check.h"
#include "softmax_kernel.h"
#include "tape.h"
#include "train_case.h"
#include "visible_attention.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

using namespace overfill;
using namespace overfill::test;

namespace {

// Which keys a token sees, by token: those of a row's mask.
struct sight {
    const char * title;
    int64_t n_tokens, n_prefix;
    bool (*sees)(int64_t token, int64_t key, int64_t sequence);
};

// A token's own key is that behind the prefix.
const std::vector<sight> & sights() {
    static const std::vector<sight> all = {
        { "causal, less than a block", 13, 0, [](int64_t t, int64_t j, int64_t) { return j <= t; } },
        { "causal, several blocks", 210, 0, [](int64_t t, int64_t j, int64_t) { return j <= t; } },
        { "a window", 210, 0, [](int64_t t, int64_t j, int64_t) { return j <= t && t - j < 40; } },
        { "short texts in a row", 200, 0,
          [](int64_t t, int64_t j, int64_t s) { return j <= t && (j / (17 + s) == t / (17 + s)); } },
        { "a prefix with room left over", 110, 70,
          [](int64_t t, int64_t j, int64_t s) { return j < 70 ? j < 30 + 40 * s : j - 70 <= t; } },
        { "no prefix where another has one", 110, 64,
          [](int64_t t, int64_t j, int64_t s) { return j < 64 ? s == 1 : j - 64 <= t; } },
        { "padding, which sees itself", 100, 8,
          [](int64_t t, int64_t j, int64_t) { return t < 40 ? (j < 8 || j - 8 <= t) : j - 8 == t; } },
    };
    return all;
}

constexpr int64_t n_seq = 2, n_head = 4, n_head_kv = 2, head_size = 24;

// Attention's result and all of its gradients.
std::vector<std::vector<float>> attend(const sight & of, bool leaves_out, int32_t n_threads) {
    const compute_device device(n_threads);
    const ggml_context_ptr leaves = make_tensor_context(32);
    const ggml_context_ptr ctx(
        ggml_init({ 256 * ggml_tensor_overhead() + ggml_graph_overhead(), nullptr, /*no_alloc*/ true }));
    ggml_cgraph * graph = ggml_new_graph(ctx.get());
    const auto leaf = [&](int64_t n_rows, int64_t heads) {
        return ggml_new_tensor_4d(leaves.get(), GGML_TYPE_F32, head_size, n_rows, heads, n_seq);
    };
    const int64_t n = of.n_tokens, n_keys = of.n_prefix + n;
    std::vector<ggml_tensor *> watched = { leaf(n, n_head), leaf(n, n_head_kv), leaf(n, n_head_kv) };
    if (of.n_prefix)
        for (int i = 0; i < 2; i++) watched.push_back(leaf(of.n_prefix, n_head_kv));
    ggml_tensor * mask = ggml_new_tensor_4d(leaves.get(), GGML_TYPE_F32, n_keys, n, 1, n_seq);
    ggml_tensor * spans = ggml_new_tensor_4d(leaves.get(), GGML_TYPE_I32, 2, n, 1, n_seq);
    ggml_tensor * seed = leaf(n, n_head);
    std::vector<ggml_tensor *> sums;
    for (ggml_tensor * one : watched) sums.push_back(ggml_dup_tensor(leaves.get(), one));
    const ggml_backend_buffer_ptr buffer = device.allocate(leaves.get());
    ggml_backend_buffer_clear(buffer.get(), 0);

    tape t(ctx.get(), graph, /*on_cpu*/ true);
    for (size_t i = 0; i < watched.size(); i++) t.watch(watched[i], sums[i]);
    const attention_prefix prefix = of.n_prefix ? attention_prefix{ watched[3], watched[4] } : attention_prefix{};
    ggml_tensor * out =
        t.attention(watched[0], watched[1], watched[2], prefix, mask, 0.3f, /*cap*/ 0, leaves_out ? spans : nullptr);
    ggml_set_output(out);
    ggml_build_forward_expand(graph, out);
    t.backward({ { out, seed } });
    std::unique_ptr<ggml_gallocr, void (*)(ggml_gallocr_t)> memory(
        ggml_gallocr_new(ggml_backend_get_default_buffer_type(device.backend())), ggml_gallocr_free);
    ggml_gallocr_alloc_graph(memory.get(), graph);
    // What is not computed must not be read: here it is no number.
    ggml_backend_buffer_clear((out->view_src ? out->view_src : out)->buffer, 0xff);

    std::mt19937 random(11);
    const auto set = [](ggml_tensor * tensor, const auto & values) {
        ggml_backend_tensor_set(tensor, values.data(), 0, values.size() * sizeof(values[0]));
    };
    for (ggml_tensor * one : watched) set(one, random_values((size_t) ggml_nelements(one), 2, random));
    set(seed, random_values((size_t) ggml_nelements(seed), 1, random));
    std::vector<float> hidden;
    for (int64_t s = 0; s < n_seq; s++)
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = 0; j < n_keys; j++) hidden.push_back(of.sees(i, j, s) ? 0 : -INFINITY);
    set(mask, hidden);
    set(spans, spans_of(hidden, (size_t) n_keys));
    device.run(graph);

    std::vector<std::vector<float>> all = { values_of(out) };
    for (const ggml_tensor * sum : sums) all.push_back(values_of(sum));
    return all;
}

}  // namespace

TEST("attention that leaves out what is masked has the values and gradients of attention over everything") {
    for (const sight & one : sights()) {
        const auto expected = attend(one, false, 1), all = attend(one, true, 1);
        CHECK_EQUAL(all.size(), expected.size());
        double worst = 0;
        for (size_t i = 0; i < all.size(); i++) {
            double largest = 0, error = 0;
            for (size_t j = 0; j < all[i].size(); j++) {
                largest = std::max(largest, (double) std::fabs(expected[i][j]));
                const double off = std::fabs((double) all[i][j] - expected[i][j]);
                error = std::isnan(off) ? INFINITY : std::max(error, off);
            }
            CHECK(largest > 0);
            worst = std::max(worst, error / largest);
        }
        std::printf("  %s: %.1e\n", one.title, worst);
        CHECK(worst < 1e-5);
        for (const int32_t n_threads : { 2, 3 }) CHECK(attend(one, true, n_threads) == all);
    }
}

TEST("a span reaches from the first key that a row sees to the last, whatever lies between") {
    const float hidden = -INFINITY;
    const std::vector<float> mask = { 0, hidden, 0, hidden, hidden, 0, hidden, hidden, hidden, hidden, hidden, 0 };
    CHECK(spans_of(mask, 4) == (std::vector<int32_t>{ 0, 3, 1, 2, 3, 4 }));
}

TEST("a softmax and its gradient have float64's values for every kernel and length, and masked keys weigh nothing") {
    std::mt19937 random(2);
    for (const softmax_kernel & kernel : softmax_kernels()) {
        double worst = 0;
        for (const size_t n : { 1, 3, 8, 16, 17, 64, 301 })
            for (const float spread : { 0.1f, 3.0f, 60.0f }) {
                const float factor = 0.7f;
                const std::vector<float> scores = random_values(n, spread, random),
                                         slopes = random_values(n, 1, random);
                std::vector<float> mask(n, 0), p = scores, d = slopes;
                for (size_t i = 1; i < n; i += 3) mask[i] = -INFINITY;
                kernel.forward(p.data(), mask.data(), factor, (int64_t) n);
                kernel.backward(p.data(), d.data(), factor, (int64_t) n);
                double most = -INFINITY, sum = 0, mean = 0;
                for (size_t i = 0; i < n; i++)
                    if (mask[i] == 0) most = std::max(most, (double) scores[i] * factor);
                std::vector<double> exact(n);
                for (size_t i = 0; i < n; i++)
                    sum += exact[i] = mask[i] == 0 ? std::exp((double) scores[i] * factor - most) : 0;
                for (size_t i = 0; i < n; i++) mean += (exact[i] /= sum) * slopes[i];
                for (size_t i = 0; i < n; i++) {
                    CHECK(mask[i] == 0 || p[i] == 0);
                    worst = std::max(worst, std::fabs(p[i] - exact[i]));
                    worst = std::max(worst, std::fabs(d[i] - factor * exact[i] * (slopes[i] - mean)));
                    // Small ones as well, as far as they are told from 0.
                    if (exact[i] > 1e-30) worst = std::max(worst, 0.1 * std::fabs(p[i] / exact[i] - 1));
                }
            }
        std::printf("  %s: %.1e\n", kernel.name, worst);
        CHECK(worst < 5e-6);
    }
}
