// A reader in the training graph: what it leaves for the writer is llama.cpp's cache, its gradients are finite
// differences through every kind of handover, and training it helps a writer that stays as it is.
#include "adamw.h"
#include "check.h"
#include "finite_differences.h"
#include "map_case.h"
#include "reader_case.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

using namespace overfill;
using namespace overfill::test;

namespace {

const parameter_filter nothing = [](const std::string &) { return false; };

double largest_difference(const float * a, const float * b, size_t n) {
    double largest = 0;
    for (size_t i = 0; i < n; i++) largest = std::max(largest, (double) std::fabs(a[i] - b[i]));
    return largest;
}

// The worst error over what is trained; all of it has a gradient.
double worst_error(reader_pair & s, two_texts & texts, distillation distil = {}) {
    // ggml's GELU is a table of f16 on the CPU, too rough for differences.
    s.shape.arch.activation = ffn_activation::silu;
    s.reader_shape().arch.activation = ffn_activation::silu;
    // An embedding of many times its size leaves the cache too small a part of the loss.
    s.shape.embedding_factor = s.reader_shape().embedding_factor = 1;
    s.gradients.clear();
    s.graph(texts.shape, true, distil)->run(texts.batch);
    const auto graph = s.graph(texts.shape, false, distil);
    double worst = 0;
    CHECK(!s.trained.empty());
    for (ggml_tensor * tensor : s.trained) {
        const std::vector<float> gradient = values_of(s.gradients.of(tensor));
        CHECK(length(gradient) > 0 && std::isfinite(length(gradient)));
        worst = std::max(worst, gradient_error(tensor, gradient, *graph, texts.batch, texts.random));
    }
    return worst;
}

void draw_b(const parameter_set & parameters, std::mt19937 & random) {
    for (ggml_tensor * weight : parameters.changed())
        if (ggml_tensor * b = parameters.factors_of(weight).b) {
            const std::vector<float> values = random_values((size_t) ggml_nelements(b), 0.3f, random);
            ggml_backend_tensor_set(b, values.data(), 0, values.size() * sizeof(float));
        }
}

}  // namespace

TEST("two stages in one graph compute what llama.cpp's two stages do, for every architecture") {
    for (const variant & v : all_variants()) {
        if (!known(v)) continue;
        const variant_file reader_file(v), writer_file(writer_of(v));
        reader_pair s(reader_file.str(), writer_file.str());
        two_texts texts(s.shape.n_vocab, true);
        add_readings(texts, false, s.shape.n_vocab);
        const auto graph = s.graph(texts.shape, false);
        const train_loss loss = graph->run(texts.batch);
        const std::vector<float> logits = graph->logits();

        llama_run reader(reader_file.str());
        student writer(writer_file.str());
        two_texts handed(s.shape.n_vocab, true);
        double first = 0;
        for (size_t i = 0; i < 2; i++) {
            handed.batch.prefixes.push_back(reader.read(handed.before[i], s.shape.layers.size()));
            const float * last = llama_get_logits(reader.ctx.get()) + (handed.before[i].size() - 1) * s.shape.n_vocab;
            double sum = 0;
            for (size_t j = 0; j < s.shape.n_vocab; j++) sum += std::exp((double) last[j]);
            first += texts.batch.readings[i].weight * (std::log(sum) - last[texts.batch.readings[i].first]);
        }
        const auto plain = writer.graph(handed.shape, false);
        const double expected = plain->run(handed.batch).total;
        const std::vector<float> theirs = plain->logits();
        double size = 0;
        for (const float value : theirs) size = std::max(size, (double) std::fabs(value));
        const double error = largest_difference(logits.data(), theirs.data(), logits.size()) / size;
        std::printf("  %s: %.1e\n", v.title, error);
        // ggml's GELU is a table of f16 on the CPU: now and then a difference in the last bit reaches the next entry.
        const double tolerance = s.shape.arch.activation == ffn_activation::gelu ? 1e-3 : 1e-5;
        CHECK(error < tolerance);
        CHECK(std::fabs(loss.cross_entropy - expected) < tolerance * expected);
        CHECK(std::fabs(loss.first - first) < tolerance * first);
        CHECK(std::fabs(loss.total - loss.cross_entropy - loss.first) < 1e-9);
        // That the prompt matters at all.
        texts.batch.readings[0].tokens[2] ^= 1;
        graph->run(texts.batch);
        CHECK(largest_difference(graph->logits().data(), theirs.data(), logits.size()) > 1e-3 * size);
    }
}

TEST("the gradients of reader and writer are finite differences, for every architecture") {
    for (const variant & v : all_variants()) {
        if (!known(v)) continue;
        const variant_file reader_file(v), writer_file(writer_of(v));
        reader_pair alone(reader_file.str(), writer_file.str(), {}, nullptr, nothing);
        CHECK_EQUAL(alone.trained.size(),
                    alone.reader.parameters().all().size() - (size_t) (v.base.rope_freqs ? 1 : 0));
        two_texts texts(alone.shape.n_vocab, true);
        add_readings(texts, false, alone.shape.n_vocab);
        double worst = worst_error(alone, texts);
        reader_pair both(reader_file.str(), writer_file.str());
        CHECK(both.trained.size() > alone.trained.size());
        worst = std::max(worst, worst_error(both, texts));
        std::printf("  %s: %.1e\n", v.title, worst);
        CHECK(worst < 2e-3);
    }
}

TEST("they are through a layer map, through every kind of map, for low-rank factors and with distillation") {
    variant v = all_variants()[0];
    v.base.n_layer = 4;
    const variant_file reader_file(v), writer_file(writer_of(v, 2));
    translator layers;
    layers.layers = { 1, 3 };
    reader_pair mapped(reader_file.str(), writer_file.str(), layers, nullptr, nothing);
    two_texts texts(mapped.shape.n_vocab, true);
    add_readings(texts, false, mapped.shape.n_vocab);
    CHECK(worst_error(mapped, texts) < 2e-3);

    std::mt19937 random(11);
    for (const map_kind & kind : map_kinds())
        for (const bool train_maps : { false, true }) {
            translator how = random_translator(kind, 2, mapped.shape.n_embd_k(), mapped.shape.n_embd_k(), random);
            how.layers = { 0, 2 };
            reader_pair s(reader_file.str(), writer_file.str(), how, nullptr, nothing, {}, train_maps);
            CHECK_EQUAL(s.trained.size() > s.reader.parameters().trained().size(), train_maps);
            CHECK(worst_error(s, texts) < 2e-3);
        }

    reader_pair adapted(reader_file.str(), writer_file.str(), layers, nullptr, nothing, { 3, 0.5f, nullptr, 7 });
    CHECK_EQUAL(adapted.trained.size(), 2 * adapted.reader.parameters().changed().size());
    draw_b(adapted.reader.parameters(), random);
    // Of a loss of 12, with slopes of a hundredth: the last digits of f32 show.
    CHECK(worst_error(adapted, texts) < 5e-3);

    two_texts distilled(mapped.shape.n_vocab, true);
    add_readings(distilled, true, mapped.shape.n_vocab);
    CHECK(worst_error(mapped, distilled, { 0.6f, 2.0f }) < 2e-3);
}

TEST("weights of any type that stay as they are give what their values in f32 give, bit for bit") {
    for (const ggml_type type : { GGML_TYPE_F16, GGML_TYPE_BF16, GGML_TYPE_Q8_0, GGML_TYPE_Q4_0 }) {
        variant v = all_variants()[0], w = writer_of(v);
        v.base.type = w.base.type = type;
        v.base.n_ff = w.base.n_ff = w.base.n_embd = 64;
        const variant_file reader_file(v), writer_file(w);
        std::vector<std::vector<float>> outcomes;
        for (const frozen_weights frozen : { frozen_weights::as_f32, frozen_weights::as_stored }) {
            reader_pair s(reader_file.str(), writer_file.str(), {}, nullptr, nothing, { 3, 0.5f, nullptr, 7 }, true,
                          frozen);
            CHECK_EQUAL((int) s.parameters.find("token_embd.weight")->type,
                        (int) (frozen == frozen_weights::as_f32 ? GGML_TYPE_F32 : type));
            std::mt19937 random(2);
            draw_b(s.reader.parameters(), random);
            two_texts texts(s.shape.n_vocab, true);
            add_readings(texts, false, s.shape.n_vocab);
            const auto graph = s.graph(texts.shape);
            graph->run(texts.batch);
            outcomes.push_back(graph->logits());
            for (const ggml_tensor * sum : s.gradients.all()) outcomes.push_back(values_of(sum));
        }
        // The reader of this case has factors, so that its weights are as they are stored in both.
        const size_t n = outcomes.size() / 2;
        for (size_t i = 0; i < n; i++) CHECK(outcomes[i] == outcomes[n + i]);
    }
}

TEST("a sequence does not see another's prompt, nor the room behind its own, and nothing need be read") {
    const variant_file reader_file(all_variants()[0]), writer_file(writer_of(all_variants()[0]));
    reader_pair s(reader_file.str(), writer_file.str(), {}, nullptr, nothing);
    two_texts texts(s.shape.n_vocab, true);
    add_readings(texts, false, s.shape.n_vocab);
    const double whole = s.graph(texts.shape)->run(texts.batch).total;
    std::vector<std::vector<float>> gradients;
    for (const ggml_tensor * sum : s.gradients.all()) gradients.push_back(values_of(sum));
    s.gradients.clear();
    double parts = 0;
    for (size_t i = 0; i < 2; i++) {
        const batch_shape one = { 1, texts.shape.n_tokens, texts.shape.n_prefix + 7 * (uint32_t) i };
        const auto row = [&](const auto & all) {
            const auto begin = all.begin() + (long) (i * one.n_tokens);
            return std::decay_t<decltype(all)>(begin, begin + one.n_tokens);
        };
        const train_batch & all = texts.batch;
        train_batch batch;
        batch.tokens = row(all.tokens);
        batch.targets = row(all.targets);
        batch.weights = row(all.weights);
        batch.positions = row(all.positions);
        batch.segments = row(all.segments);
        batch.readings = { all.readings[i] };
        parts += s.graph(one)->run(batch).total;
    }
    CHECK(std::fabs(parts - whole) < 1e-6 * whole);
    for (size_t i = 0; i < gradients.size(); i++) {
        const std::vector<float> sum = values_of(s.gradients.all()[i]);
        CHECK(largest_difference(sum.data(), gradients[i].data(), sum.size()) < 1e-5 * length(gradients[i]));
    }

    two_texts nothing_read(s.shape.n_vocab, false);
    const double without = s.graph(nothing_read.shape)->run(nothing_read.batch).total;
    student writer(writer_file.str());
    CHECK(std::fabs(writer.graph(nothing_read.shape)->run(nothing_read.batch).total - without) < 1e-6 * without);
}

TEST("training a reader lowers the loss of a writer that stays as it is, through factors as well") {
    const variant_file reader_file(all_variants()[0]), writer_file(writer_of(all_variants()[0]));
    for (const uint32_t rank : { 0, 4 }) {
        reader_pair s(reader_file.str(), writer_file.str(), {}, nullptr, nothing, { rank, 2.0f, nullptr, 7 });
        two_texts texts(s.shape.n_vocab, true);
        add_readings(texts, false, s.shape.n_vocab);
        std::vector<std::vector<float>> before;
        for (const ggml_tensor * tensor : s.parameters.all()) before.push_back(values_of(tensor));
        const auto graph = s.graph(texts.shape);
        adamw optimiser(s.trained, s.gradients, s.device, {});
        train_loss first, last;
        for (int step = 0; step < 60; step++) {
            s.gradients.clear();
            last = graph->run(texts.batch);
            if (step == 0) first = last;
            optimiser.step(1e-2);
        }
        std::printf("  rank %u: %.3f to %.3f, first tokens %.3f to %.3f\n", rank, first.cross_entropy,
                    last.cross_entropy, first.first, last.first);
        CHECK(last.cross_entropy < first.cross_entropy - 0.1);
        CHECK(last.first < first.first);
        for (size_t i = 0; i < before.size(); i++) CHECK(values_of(s.parameters.all()[i]) == before[i]);
    }
}

TEST("readings that do not fit are refused") {
    const variant_file reader_file(all_variants()[0]), writer_file(writer_of(all_variants()[0]));
    reader_pair s(reader_file.str(), writer_file.str());
    const auto refused = [&](const std::function<void(train_batch &)> & spoil) {
        two_texts texts(s.shape.n_vocab, true);
        add_readings(texts, false, s.shape.n_vocab);
        spoil(texts.batch);
        CHECK_FAILURE(error_code::invalid_argument, s.graph(texts.shape, false)->run(texts.batch));
    };
    refused([](train_batch & batch) { batch.readings.pop_back(); });
    refused([](train_batch & batch) { batch.readings.clear(); });
    refused([](train_batch & batch) { batch.readings[0].tokens.resize(12); });
    refused([](train_batch & batch) { batch.readings[1].tokens[0] = -1; });
    refused([](train_batch & batch) { batch.readings[1].first = 1 << 20; });
    refused([](train_batch & batch) { batch.readings[1].tokens.clear(); });
    refused([&](train_batch & batch) {
        for (int i = 0; i < 2; i++) batch.prefixes.emplace_back();
    });
}
