// Low-rank adaptation: the start, the gradients of the factors, and the merge into the matrices.
#include "adamw.h"
#include "check.h"
#include "train_case.h"

#include <algorithm>
#include <cmath>

using namespace overfill;
using namespace overfill::test;

namespace {

// A model with factors of rank 3, and everything around it.
struct adapted_student {
    explicit adapted_student(const std::string & path, const low_rank & lora = { 3, 0.5f, nullptr, 7 })
        : device(1), shape(training_shape_of(path, 256)), parameters(path, device, nullptr, lora),
          gradients(parameters, device), model(shape, parameters, device) {}
    std::unique_ptr<training_graph> graph(const batch_shape & batch, bool train) {
        return std::make_unique<training_graph>(shape, model, device, batch, distillation{}, parameters,
                                                train ? &gradients : nullptr);
    }
    void draw_b(std::mt19937 & random) {
        for (ggml_tensor * weight : parameters.changed()) {
            ggml_tensor * b = parameters.factors_of(weight).b;
            const std::vector<float> values = random_values((size_t) ggml_nelements(b), 0.3f, random);
            ggml_backend_tensor_set(b, values.data(), 0, values.size() * sizeof(float));
        }
    }
    compute_device device;
    training_shape shape;
    parameter_set parameters;
    parameter_sums gradients;
    decoder model;
};

// One with separate and one with fused matrices.
std::vector<variant> some_variants() {
    std::vector<variant> out;
    for (const variant & v : all_variants())
        if (known(v) && v.base.n_layer < 4 && (out.empty() || (out.size() == 1 && v.fused))) out.push_back(v);
    return out;
}

double largest_difference(const std::vector<float> & a, const std::vector<float> & b) {
    double largest = 0;
    for (size_t i = 0; i < a.size(); i++) largest = std::max(largest, (double) std::fabs(a[i] - b[i]));
    return largest;
}

}  // namespace

TEST("factors begin without an effect, and only they are trained") {
    for (const variant & v : some_variants()) {
        const variant_file file(v);
        student plain(file.str());
        adapted_student adapted(file.str());
        const two_texts texts(plain.shape.n_vocab, false);
        const auto graph = plain.graph(texts.shape, false);
        const auto adapted_graph = adapted.graph(texts.shape, false);
        graph->run(texts.batch);
        adapted_graph->run(texts.batch);
        CHECK(graph->logits() == adapted_graph->logits());
        CHECK_EQUAL(adapted.parameters.trained().size(), 2 * adapted.parameters.changed().size());
        for (const ggml_tensor * tensor : adapted.parameters.trained())
            CHECK(std::string(tensor->name).find(".lora_") != std::string::npos);
        for (const ggml_tensor * tensor : adapted.parameters.changed())
            CHECK(tensor->ne[1] > 1 && std::string(tensor->name).rfind("blk.", 0) == 0);
    }
}

TEST("the gradients of the factors are finite differences") {
    for (const variant & v : some_variants()) {
        const variant_file file(v);
        adapted_student s(file.str());
        two_texts texts(s.shape.n_vocab, false);
        s.draw_b(texts.random);
        s.graph(texts.shape, true)->run(texts.batch);
        const auto graph = s.graph(texts.shape, false);
        double worst = 0;
        for (ggml_tensor * tensor : s.parameters.trained()) {
            const std::vector<float> gradient = values_of(s.gradients.of(tensor)), origin = values_of(tensor);
            double size = 0, steepest = 0;
            for (size_t i = 0; i < gradient.size(); i++) {
                size += (double) origin[i] * origin[i];
                steepest += (double) gradient[i] * gradient[i];
            }
            CHECK(steepest > 0);
            // Along the gradient itself, the slope is its length.
            steepest = std::sqrt(steepest);
            const double step = 2e-2 * std::sqrt(size / (double) origin.size());
            const auto at = [&](double along) {
                std::vector<float> values(origin.size());
                for (size_t i = 0; i < values.size(); i++)
                    values[i] = (float) (origin[i] + along * gradient[i] / steepest);
                ggml_backend_tensor_set(tensor, values.data(), 0, values.size() * sizeof(float));
                return graph->run(texts.batch).total;
            };
            const double wide = (at(2 * step) - at(-2 * step)) / (4 * step),
                         narrow = (at(step) - at(-step)) / (2 * step);
            ggml_backend_tensor_set(tensor, origin.data(), 0, origin.size() * sizeof(float));
            worst = std::max(worst, std::fabs((4 * narrow - wide) / 3 - steepest) / steepest);
        }
        std::printf("  %s: %.1e\n", v.title, worst);
        CHECK(worst < 2e-3);
    }
}

TEST("merged, the matrices compute what they did with their factors") {
    for (const variant & v : some_variants()) {
        const variant_file file(v);
        adapted_student s(file.str());
        two_texts texts(s.shape.n_vocab, false);
        s.draw_b(texts.random);
        const auto graph = s.graph(texts.shape, false);
        graph->run(texts.batch);
        const std::vector<float> with_factors = graph->logits();
        s.parameters.merge_factors();
        graph->run(texts.batch);
        CHECK(largest_difference(graph->logits(), with_factors) < 1e-4);
        // And again: the factors have no effect any more.
        s.parameters.merge_factors();
        const std::vector<float> merged = graph->logits();
        graph->run(texts.batch);
        CHECK(graph->logits() == merged);
        student plain(file.str());
        const auto plain_graph = plain.graph(texts.shape, false);
        plain_graph->run(texts.batch);
        CHECK(largest_difference(plain_graph->logits(), merged) > 0.1);
    }
}

TEST("training moves the factors and nothing else, and lowers the loss") {
    const variant_file file(some_variants()[0]);
    adapted_student s(file.str(), { 4, 1.0f, nullptr, 3 });
    const two_texts texts(s.shape.n_vocab, false);
    std::vector<std::vector<float>> before;
    for (const ggml_tensor * tensor : s.parameters.all()) before.push_back(values_of(tensor));
    const auto graph = s.graph(texts.shape, true);
    adamw optimiser(s.parameters, s.gradients, s.device, {});
    double first = 0, last = 0;
    for (int step = 0; step < 60; step++) {
        s.gradients.clear();
        last = graph->run(texts.batch).total;
        if (step == 0) first = last;
        optimiser.step(1e-2);
    }
    CHECK(last < 0.5 * first);
    for (size_t i = 0; i < before.size(); i++) CHECK(values_of(s.parameters.all()[i]) == before[i]);
}

TEST("targets are chosen by name, and there must be one") {
    const variant_file file(some_variants()[0]);
    const auto queries = [](const std::string & name) { return name.find("attn_q.") != std::string::npos; };
    const adapted_student s(file.str(), { 2, 1.0f, queries, 1 });
    for (const ggml_tensor * tensor : s.parameters.changed()) CHECK(queries(tensor->name));
    CHECK_FAILURE(error_code::invalid_argument,
                  adapted_student(file.str(), { 2, 1.0f, [](const std::string &) { return false; }, 1 }));
}
