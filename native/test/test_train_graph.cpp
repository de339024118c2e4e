// The training graph against llama.cpp (its logits) and against finite differences (its gradients).
#include "check.h"
#include "finite_differences.h"
#include "reader_case.h"
#include "train_case.h"

#include <llama.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

using namespace overfill;
using namespace overfill::test;

namespace {

void compare_logits(const variant & v, bool with_prefix, double tolerance = 1e-5) {
    const variant_file file(v);
    student s(file.str());
    two_texts texts(s.shape.n_vocab, with_prefix);
    llama_run llama(file.str());
    std::vector<std::vector<float>> expected;
    for (size_t i = 0; i < 2; i++) {
        cached_prefix prefix = llama.read(texts.before[i], s.shape.layers.size());
        if (with_prefix) texts.batch.prefixes.push_back(std::move(prefix));
        expected.push_back(llama.decode(texts.rest[i], texts.before[i].size()));
    }
    const auto graph = s.graph(texts.shape, false);
    const train_loss loss = graph->run(texts.batch);
    const std::vector<float> logits = graph->logits();
    std::vector<double> errors;  // of a token
    double largest = 0, cross_entropy = 0;
    for (size_t i = 0; i < 2; i++)
        for (size_t t = 0; t < texts.rest[i].size(); t++) {
            const float * ours = &logits[(i * texts.shape.n_tokens + t) * s.shape.n_vocab];
            const float * theirs = &expected[i][t * s.shape.n_vocab];
            double sum = 0, error = 0;
            for (size_t j = 0; j < s.shape.n_vocab; j++) {
                error = std::max(error, (double) std::fabs(ours[j] - theirs[j]));
                largest = std::max(largest, (double) std::fabs(theirs[j]));
                sum += std::exp((double) theirs[j]);
            }
            errors.push_back(error);
            const size_t at = i * texts.shape.n_tokens + t;
            cross_entropy += texts.batch.weights[at] * (std::log(sum) - theirs[texts.batch.targets[at]]);
        }
    std::sort(errors.begin(), errors.end());
    const double typical = errors[errors.size() / 2], worst = errors.back();
    std::printf("  %s%s: %.1e of %.2f, half of them %.1e\n", v.title, with_prefix ? ", prefix" : "", worst, largest,
                typical);
    // ggml's GELU is a table of f16 on the CPU: now and then a difference in the last bit reaches the next entry.
    const bool table = s.shape.arch.activation == ffn_activation::gelu;
    CHECK(typical < tolerance * largest);
    CHECK(worst < (table ? 1e-3 : tolerance) * largest);
    CHECK(std::fabs(loss.total - cross_entropy) < (table ? 1e-4 : tolerance) * cross_entropy);
}

void check_gradients(const variant & v, bool with_prefix, distillation distil) {
    const variant_file file(v);
    student s(file.str());
    // ggml's GELU is a table of f16 on the CPU, too rough for differences: it is tested alone, in test_train_step.
    s.shape.arch.activation = ffn_activation::silu;
    two_texts texts(s.shape.n_vocab, with_prefix);
    if (with_prefix)
        for (const auto & tokens : texts.before)
            texts.batch.prefixes.push_back(random_prefix(s.shape, (uint32_t) tokens.size(), texts.random));
    if (distil.share > 0)
        texts.batch.teacher = random_values(texts.batch.tokens.size() * s.shape.n_vocab, 2, texts.random);
    s.graph(texts.shape, true, distil)->run(texts.batch);
    const auto graph = s.graph(texts.shape, false, distil);

    double worst = 0;
    std::string where;
    for (ggml_tensor * tensor : s.parameters.trained()) {
        const std::vector<float> gradient = values_of(s.gradients.of(tensor));
        CHECK(length(gradient) > 0 && std::isfinite(length(gradient)));
        const double error = gradient_error(tensor, gradient, *graph, texts.batch, texts.random);
        if (error > worst) {
            worst = error;
            where = tensor->name;
        }
    }
    std::printf("  %s%s%s: %.1e (%s)\n", v.title, with_prefix ? ", prefix" : "", distil.share > 0 ? ", distilled" : "",
                worst, where.c_str());
    CHECK(worst < 2e-3);
}

}  // namespace

TEST("the logits are llama.cpp's, with and without a cached prefix") {
    for (const variant & v : all_variants()) {
        if (!known(v)) continue;
        compare_logits(v, false);
        compare_logits(v, true);
    }
}

TEST("baichuan has RoPE with 32 layers; with others it has ALiBi and is refused") {
    variant v = all_variants()[0];
    v.title = v.architecture = "baichuan";
    v.base.head_size = 8;
    if (!known(v)) return;
    {
        const variant_file file(v);
        CHECK_FAILURE(error_code::model_unsupported, student(file.str()));
    }
    v.base.n_layer = 32;
    compare_logits(v, true, 1e-4);
}

TEST("weights of any type are read; llama.cpp rounds what it multiplies them with, and is close") {
    for (const ggml_type type : { GGML_TYPE_F16, GGML_TYPE_BF16, GGML_TYPE_Q8_0 }) {
        variant v = all_variants()[0];
        v.title = ggml_type_name(type);
        v.base.type = type;
        v.base.n_ff = 64;
        compare_logits(v, false, 5e-2);
    }
}

TEST("the gradients are finite differences of the loss, for every tensor, with and without a prefix") {
    for (const variant & v : all_variants()) {
        if (!known(v)) continue;
        check_gradients(v, false, {});
        check_gradients(v, true, {});
    }
    check_gradients(all_variants()[0], true, { 0.6f, 2.0f });
    check_gradients(all_variants()[3], false, { 1.0f, 0.7f });
}

TEST("micro-batches add up to one batch, and a sequence does not see another") {
    const variant_file file(all_variants()[0]);
    student s(file.str());
    two_texts texts(s.shape.n_vocab, true);
    for (const auto & tokens : texts.before)
        texts.batch.prefixes.push_back(random_prefix(s.shape, (uint32_t) tokens.size(), texts.random));
    const double whole = s.graph(texts.shape)->run(texts.batch).total;
    std::vector<std::vector<float>> gradients;
    for (const ggml_tensor * sum : s.gradients.all()) gradients.push_back(values_of(sum));

    s.gradients.clear();
    const batch_shape half = { 1, texts.shape.n_tokens, texts.shape.n_prefix };
    const auto graph = s.graph(half);
    double parts = 0;
    for (size_t i = 0; i < 2; i++) {
        const auto row = [&](const auto & all) {
            const auto begin = all.begin() + (long) (i * half.n_tokens);
            return std::decay_t<decltype(all)>(begin, begin + half.n_tokens);
        };
        const train_batch & all = texts.batch;
        parts += graph
                     ->run({ row(all.tokens),
                             row(all.targets),
                             row(all.weights),
                             row(all.positions),
                             row(all.segments),
                             { all.prefixes[i] },
                             {} })
                     .total;
    }
    CHECK(std::fabs(parts - whole) < 1e-6 * whole);
    for (size_t i = 0; i < gradients.size(); i++) {
        std::vector<float> difference = values_of(s.gradients.all()[i]);
        for (size_t j = 0; j < difference.size(); j++) difference[j] -= gradients[i][j];
        CHECK(length(difference) < 1e-5 * length(gradients[i]));
    }
}

TEST("packed segments have the logits that they have alone") {
    const variant_file file(all_variants()[0]);
    student s(file.str());
    two_texts texts(s.shape.n_vocab, false);
    const auto alone = s.graph(texts.shape, false);
    alone->run(texts.batch);
    const std::vector<float> expected = alone->logits();

    const size_t n0 = texts.rest[0].size(), n1 = texts.rest[1].size();
    train_batch packed;
    for (size_t i = 0; i < 2; i++)
        for (size_t t = 0; t < texts.rest[i].size(); t++) {
            packed.tokens.push_back(texts.rest[i][t]);
            packed.positions.push_back((llama_pos) t);
            packed.segments.push_back((int32_t) i);
        }
    packed.targets = packed.tokens;
    packed.weights.assign(n0 + n1, 0);
    const auto graph = s.graph({ 1, (uint32_t) (n0 + n1), 0 }, false);
    graph->run(packed);
    const std::vector<float> logits = graph->logits();
    double worst = 0;
    for (size_t i = 0; i < (n0 + n1) * s.shape.n_vocab; i++) {
        const size_t row = i / s.shape.n_vocab;
        const size_t at = row < n0 ? i : i + (texts.shape.n_tokens - n0) * s.shape.n_vocab;
        worst = std::max(worst, (double) std::fabs(logits[i] - expected[at]));
    }
    CHECK(worst < 1e-5);
}

TEST("what the graph does not compute, and batches that do not fit, are refused by name") {
    const variant_file file(all_variants()[0]);
    student s(file.str());
    two_texts texts(s.shape.n_vocab, false);
    const auto graph = s.graph(texts.shape, false);
    train_batch bad = texts.batch;
    bad.tokens[3] = (llama_token) s.shape.n_vocab;
    CHECK_FAILURE(error_code::invalid_argument, graph->run(bad));
    bad = texts.batch;
    bad.weights.pop_back();
    CHECK_FAILURE(error_code::invalid_argument, graph->run(bad));
    bad = texts.batch;
    bad.prefixes = { random_prefix(s.shape, 2, texts.random), {} };
    CHECK_FAILURE(error_code::invalid_argument, graph->run(bad));
    CHECK_FAILURE(error_code::invalid_argument, s.graph({ 0, 8, 0 }));
    // A tensor without a place in the pass.
    architecture & arch = s.shape.arch;
    arch.norms = norm_place::after;
    CHECK_FAILURE(error_code::model_invalid, s.graph(texts.shape));
    arch.norms = norm_place::before;
    arch.tied_output = true;
    const std::string message = CHECK_FAILURE(error_code::model_unsupported, s.graph(texts.shape));
    CHECK(message.find("output.weight") != std::string::npos);
}
