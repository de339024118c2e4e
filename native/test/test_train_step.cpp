// What a training step is made of: matrix products against float64 on every instruction set, the tape's rarer
// gradients, AdamW against float64, and the same bits however often and on however many threads.
#include "adamw.h"
#include "check.h"
#include "matrix_product.h"
#include "product_kernel.h"
#include "tape.h"
#include "train_case.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <functional>
#include <thread>

using namespace overfill;
using namespace overfill::test;

namespace {

// A graph of a few tensors on the CPU.
struct small_graph {
    explicit small_graph(int32_t n_threads = 1)
        : device(n_threads), leaves(make_tensor_context(32)),
          ctx(ggml_init({ 256 * ggml_tensor_overhead() + ggml_graph_overhead(), nullptr, true })),
          graph(ggml_new_graph(ctx.get())), memory(nullptr, ggml_gallocr_free) {}
    ggml_tensor * leaf(int64_t ne0, int64_t ne1, int64_t ne2 = 1, int64_t ne3 = 1) {
        return ggml_new_tensor_4d(leaves.get(), GGML_TYPE_F32, ne0, ne1, ne2, ne3);
    }
    void allocate_leaves() {
        buffer = device.allocate(leaves.get());
        ggml_backend_buffer_clear(buffer.get(), 0);
    }
    void run() {
        if (!memory) {
            memory.reset(ggml_gallocr_new(ggml_backend_get_default_buffer_type(device.backend())));
            ggml_gallocr_alloc_graph(memory.get(), graph);
        }
        device.run(graph);
    }
    compute_device device;
    ggml_context_ptr leaves, ctx;
    ggml_backend_buffer_ptr buffer;
    ggml_cgraph * graph;
    std::unique_ptr<ggml_gallocr, void (*)(ggml_gallocr_t)> memory;
};

void set(ggml_tensor * tensor, const std::vector<float> & values) {
    ggml_backend_tensor_set(tensor, values.data(), 0, values.size() * sizeof(float));
}

double dot(const std::vector<float> & a, const std::vector<float> & b) {
    double sum = 0;
    for (size_t i = 0; i < a.size(); i++) sum += (double) a[i] * b[i];
    return sum;
}

// Central differences of sum(out * seed) along a random direction, for every leaf.
void check_tape(const std::vector<ggml_tensor *> & leaves, small_graph & g, ggml_tensor * mask,
                const std::function<ggml_tensor *(tape &)> & build, double step, double tolerance, bool on_cpu = true) {
    std::mt19937 random(3);
    std::vector<ggml_tensor *> sums;
    for (ggml_tensor * leaf : leaves) sums.push_back(ggml_dup_tensor(g.leaves.get(), leaf));
    tape t(g.ctx.get(), g.graph, on_cpu);
    for (size_t i = 0; i < leaves.size(); i++) t.watch(leaves[i], sums[i]);
    ggml_tensor * out = build(t);
    ggml_tensor * seed = ggml_dup_tensor(g.leaves.get(), out);
    g.allocate_leaves();
    ggml_set_output(out);
    ggml_build_forward_expand(g.graph, out);
    t.backward({ { out, seed } });

    const std::vector<float> seed_values = random_values((size_t) ggml_nelements(out), 1, random);
    set(seed, seed_values);
    for (ggml_tensor * leaf : leaves) set(leaf, random_values((size_t) ggml_nelements(leaf), 1, random));
    if (mask) set(mask, std::vector<float>((size_t) ggml_nelements(mask), 0));
    g.run();
    std::vector<std::vector<float>> gradients;
    for (ggml_tensor * sum : sums) gradients.push_back(values_of(sum));
    for (size_t i = 0; i < leaves.size(); i++) {
        const std::vector<float> origin = values_of(leaves[i]), direction = random_values(origin.size(), 1, random);
        const auto at = [&](double distance) {
            std::vector<float> moved = origin;
            for (size_t j = 0; j < moved.size(); j++) moved[j] = (float) (origin[j] + distance * direction[j]);
            set(leaves[i], moved);
            g.run();
            return dot(values_of(out), seed_values);
        };
        const double wide = (at(2 * step) - at(-2 * step)) / (4 * step), near = (at(step) - at(-step)) / (2 * step);
        set(leaves[i], origin);
        const double slope = (4 * near - wide) / 3, expected = dot(gradients[i], direction);
        CHECK(std::fabs(slope - expected) < tolerance * std::sqrt(dot(gradients[i], gradients[i]) * origin.size()));
    }
}

}  // namespace

TEST("a product has float64's values for every kernel, order of operands and odd size") {
    std::mt19937 random(1);
    const int64_t sizes[][3] = { { 1, 1, 1 }, { 33, 13, 7 }, { 64, 24, 256 }, { 300, 50, 300 }, { 5, 1100, 19 } };
    for (const product_kernel & kernel : product_kernels()) {
        double worst = 0;
        for (const auto & [m, n, k] : sizes)
            for (int order = 0; order < 4; order++) {
                const bool a_first = order & 1, b_first = order & 2;
                // Rows with a gap behind them, as those of a view.
                const int64_t gap = 3, a_row = (a_first ? k : m) + gap, b_row = (b_first ? k : n) + gap;
                const auto a = random_values((size_t) (a_row * (a_first ? m : k)), 1, random);
                const auto b = random_values((size_t) (b_row * (b_first ? n : k)), 1, random);
                std::vector<float> out((size_t) (m * n), NAN);
                const matrix ma = { a.data(), a_first ? a_row : 1, a_first ? 1 : a_row };
                const matrix mb = { b.data(), b_first ? b_row : 1, b_first ? 1 : b_row };
                kernel.run({ ma, mb, k, 0, m / 2, 0, n, out.data(), m });
                kernel.run({ ma, mb, k, m / 2, m, 0, n, out.data(), m });
                for (int64_t j = 0; j < n; j++)
                    for (int64_t i = 0; i < m; i++) {
                        double sum = 0;
                        for (int64_t l = 0; l < k; l++)
                            sum += (double) a[(size_t) (i * ma.row_stride + l * ma.k_stride)] *
                                   b[(size_t) (j * mb.row_stride + l * mb.k_stride)];
                        const double error = std::fabs(out[(size_t) (j * m + i)] - sum) / std::sqrt((double) k);
                        worst = std::isnan(error) ? INFINITY : std::max(worst, error);
                    }
            }
        std::printf("  %s: %.1e\n", kernel.name, worst);
        CHECK(worst < 1e-5);
    }
}

TEST(
    "a product with a weight of any type is that with its values in f32, bit for bit, along its rows and across them") {
    std::mt19937 random(6);
    const int64_t n_in = 512, n_out = 333, n = 29;
    for (const ggml_type type : { GGML_TYPE_F16, GGML_TYPE_BF16, GGML_TYPE_Q8_0, GGML_TYPE_Q4_0, GGML_TYPE_Q2_K,
                                  GGML_TYPE_IQ4_XS, GGML_TYPE_Q6_K })
        for (const int32_t n_threads : { 1, 2, 3 }) {
            small_graph g(n_threads);
            ggml_tensor * stored = ggml_new_tensor_2d(g.leaves.get(), type, n_in, n_out);
            ggml_tensor * values = g.leaf(n_in, n_out);
            ggml_tensor *x = g.leaf(n_in, n), *d = g.leaf(n_out, n), *wide = g.leaf(n_out, 700);
            g.allocate_leaves();
            const std::vector<float> drawn = random_values((size_t) (n_in * n_out), 1, random);
            std::vector<uint8_t> bytes(ggml_nbytes(stored));
            ggml_quantize_chunk(type, drawn.data(), bytes.data(), 0, n_out, n_in, nullptr);
            ggml_backend_tensor_set(stored, bytes.data(), 0, bytes.size());
            std::vector<float> read(drawn.size());
            ggml_get_type_traits(type)->to_float(bytes.data(), read.data(), (int64_t) read.size());
            set(values, read);
            for (ggml_tensor * leaf : { x, d, wide })
                set(leaf, random_values((size_t) ggml_nelements(leaf), 1, random));
            std::vector<ggml_tensor *> outs;
            for (ggml_tensor * weight : { stored, values }) {
                outs.push_back(product_on_cpu(g.ctx.get(), { weight }, { x }));
                for (ggml_tensor * rows : { d, wide })
                    outs.push_back(product_on_cpu(g.ctx.get(), { weight, operand_order::shared_last }, { rows }));
            }
            for (ggml_tensor * out : outs) {
                ggml_set_output(out);
                ggml_build_forward_expand(g.graph, out);
            }
            g.run();
            for (size_t i = 0; i < 3; i++) CHECK(values_of(outs[i]) == values_of(outs[3 + i]));
        }
}

TEST("attention has gradients of a prefix as well, as trained linear maps need them, with ggml's products too") {
    for (const bool on_cpu : { true, false }) {
        small_graph g;
        ggml_tensor *q = g.leaf(8, 5, 4, 2), *k = g.leaf(8, 5, 2, 2), *v = g.leaf(8, 5, 2, 2);
        ggml_tensor *before_k = g.leaf(8, 3, 2, 2), *before_v = g.leaf(8, 3, 2, 2), *mask = g.leaf(8, 5, 1, 2);
        const auto build = [=](tape & t) { return t.attention(q, k, v, { before_k, before_v }, mask, 0.35f); };
        check_tape({ q, k, v, before_k, before_v }, g, mask, build, 1e-2, 1e-4, on_cpu);
    }
}

TEST("a linear map has its gradients, with ggml's products too") {
    for (const bool on_cpu : { true, false }) {
        small_graph g;
        ggml_tensor *weight = g.leaf(48, 20), *x = g.leaf(48, 33);
        check_tape(
            { weight, x }, g, nullptr, [=](tape & t) { return t.linear(weight, x); }, 1e-2, 1e-4, on_cpu);
    }
}

TEST("the gated activations have their gradients, by ggml's operations too") {
    for (const bool on_cpu : { true, false })
        for (const ffn_activation activation : { ffn_activation::silu, ffn_activation::gelu }) {
            small_graph g;
            ggml_tensor *gate = g.leaf(64, 40), *up = g.leaf(64, 40);
            // GELU is a table of f16 on the CPU.
            const bool table = activation == ffn_activation::gelu;
            check_tape(
                { gate, up }, g, nullptr, [=](tape & t) { return t.gated(gate, up, activation); }, table ? 5e-2 : 1e-2,
                table ? 1e-3 : 1e-4, on_cpu);
        }
}

TEST("AdamW's steps are float64's, with decay of matrices alone") {
    const variant_file file(all_variants()[4]);
    student s(file.str(), 2);
    adamw_options options;
    options.decay = 0.1;
    adamw optimiser(s.parameters, s.gradients, s.device, options);
    struct state {
        std::vector<double> w, m, v;
    };
    std::vector<state> reference;
    for (const ggml_tensor * tensor : s.parameters.trained()) {
        const std::vector<float> w = values_of(tensor);
        reference.push_back({ { w.begin(), w.end() }, std::vector<double>(w.size()), std::vector<double>(w.size()) });
    }
    std::mt19937 random(8);
    double worst = 0;
    for (int step = 1; step <= 5; step++) {
        const double rate = 1e-2 / step;
        for (size_t i = 0; i < reference.size(); i++) {
            state & r = reference[i];
            const std::vector<float> g = random_values(r.w.size(), 0.01f, random);
            set(s.gradients.all()[i], g);
            const double decay = ggml_n_dims(s.parameters.trained()[i]) > 1 ? 0.1 : 0;
            for (size_t j = 0; j < g.size(); j++) {
                r.m[j] = 0.9 * r.m[j] + 0.1 * g[j];
                r.v[j] = 0.95 * r.v[j] + 0.05 * g[j] * g[j];
                const double m = r.m[j] / (1 - std::pow(0.9, step)), v = r.v[j] / (1 - std::pow(0.95, step));
                r.w[j] = (1 - rate * decay) * r.w[j] - rate * m / (std::sqrt(v) + 1e-8);
            }
        }
        optimiser.step(rate);
        for (size_t i = 0; i < reference.size(); i++) {
            const std::vector<float> w = values_of(s.parameters.trained()[i]);
            for (size_t j = 0; j < w.size(); j++) worst = std::max(worst, std::fabs(w[j] - reference[i].w[j]));
        }
    }
    std::printf("  %.1e after five steps\n", worst);
    CHECK(worst < 2e-6);
    CHECK_EQUAL(optimiser.n_steps(), 5u);
}

TEST("the norm of gradients is float64's, and clipping scales them") {
    const variant_file file(all_variants()[0]);
    student s(file.str());
    std::mt19937 random(4);
    double sum = 0;
    for (ggml_tensor * tensor : s.gradients.all()) {
        const auto values = random_values((size_t) ggml_nelements(tensor), 3, random);
        set(tensor, values);
        sum += dot(values, values);
    }
    CHECK(std::fabs(s.gradients.norm() - std::sqrt(sum)) < 1e-9 * std::sqrt(sum));
    s.gradients.multiply(0.25f);
    CHECK(std::fabs(s.gradients.norm() - 0.25 * std::sqrt(sum)) < 1e-6 * std::sqrt(sum));
}

TEST("a step can be stopped from another thread") {
    const variant_file file(all_variants()[0]);
    student s(file.str());
    std::atomic<bool> stop{ false };
    s.device.stop_with(stop);
    const two_texts texts(s.shape.n_vocab, false);
    const auto graph = s.graph(texts.shape);
    std::thread thread([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        stop = true;
    });
    CHECK_FAILURE(error_code::aborted, while (true) graph->run(texts.batch));
    thread.join();
}

TEST("training gives the same bits again, on one thread and on two; what is frozen stays") {
    const variant_file file(all_variants()[0]);
    const auto frozen = [](const std::string & name) { return name == "blk.0.attn_k.weight"; };
    const auto train = [&](int32_t n_threads, double & first, double & last) {
        student s(file.str(), n_threads, [&](const std::string & name) { return !frozen(name); });
        two_texts texts(s.shape.n_vocab, true);
        for (const auto & tokens : texts.before)
            texts.batch.prefixes.push_back(random_prefix(s.shape, (uint32_t) tokens.size(), texts.random));
        const std::vector<float> before = values_of(s.parameters.find("blk.0.attn_k.weight"));
        const auto graph = s.graph(texts.shape);
        adamw optimiser(s.parameters, s.gradients, s.device, {});
        for (int step = 0; step < 40; step++) {
            s.gradients.clear();
            last = graph->run(texts.batch).total;
            if (step == 0) first = last;
            const double norm = s.gradients.norm();
            if (norm > 1) s.gradients.multiply((float) (1 / norm));
            optimiser.step(1e-2);
        }
        CHECK(values_of(s.parameters.find("blk.0.attn_k.weight")) == before);
        std::vector<float> all;
        for (const ggml_tensor * tensor : s.parameters.all()) {
            const std::vector<float> values = values_of(tensor);
            all.insert(all.end(), values.begin(), values.end());
        }
        return all;
    };
    double first = 0, last = 0;
    const std::vector<float> once = train(1, first, last);
    std::printf("  loss %.3f, after 40 steps %.4f\n", first, last);
    CHECK(last < 0.02 * first);  // a memorisable batch
    CHECK(train(1, first, last) == once);
    CHECK(train(2, first, last) == once);
}

TEST("an operation that a device does not have is named, with a code of its own") {
    const compute_device device(1);
    const ggml_context_ptr ctx(
        ggml_init({ 8 * ggml_tensor_overhead() + ggml_graph_overhead(), nullptr, /*no_alloc*/ true }));
    ggml_cgraph * graph = ggml_new_graph(ctx.get());
    ggml_tensor * values = ggml_new_tensor_1d(ctx.get(), GGML_TYPE_F32, 256);
    ggml_build_forward_expand(graph, ggml_sqr(ctx.get(), values));
    device.check_supported(graph);
    // The CPU makes no rows of this type: they need an importance matrix.
    ggml_tensor * odd = ggml_new_tensor_1d(ctx.get(), GGML_TYPE_IQ2_XXS, 256);
    ggml_build_forward_expand(graph, ggml_cpy(ctx.get(), values, odd));
    try {
        device.check_supported(graph);
        CHECK(!"no failure");
    } catch (const failure & error) {
        CHECK_EQUAL(std::string(error_code_name(error.code())), std::string("ERR_OPERATION_UNSUPPORTED"));
        CHECK(error.details() == error_details({ { "operation", "CPY" }, { "device", "CPU" } }));
        CHECK(std::string(error.what()).find("CPY") != std::string::npos);
    }
}
