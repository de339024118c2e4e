// A translator's linear maps in the training graph: what they compute is what a handover computes, their gradients are
// finite differences, and training them lowers the loss.
#include "adamw.h"
#include "check.h"
#include "finite_differences.h"
#include "map_case.h"
#include "rotation.h"
#include "train_case.h"
#include "trained_maps.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

using namespace overfill;
using namespace overfill::test;

namespace {

// Another width than the student's, and one that is no whole number of its heads.
constexpr uint32_t n_source = 24;

// A student with maps before its cache, and everything around them.
struct mapped_student {
    mapped_student(const std::string & path, const map_kind & kind, const parameter_filter & trained = nullptr,
                   const low_rank & lora = {}, uint32_t seed = 3)
        : random(seed), device(1), shape(training_shape_of(path, 256)),
          how(random_translator(kind, (uint32_t) shape.layers.size(), n_source, shape.n_embd_k(), random)),
          parameters(path, device, trained, lora, trained_maps::parameters_of(how)), gradients(parameters, device),
          maps(how, parameters), model(shape, parameters, device, maps) {}
    std::unique_ptr<training_graph> graph(const batch_shape & batch, bool train) {
        return std::make_unique<training_graph>(shape, model, device, batch, distillation{}, parameters,
                                                train ? &gradients : nullptr);
    }
    void add_prefixes(two_texts & texts) {
        for (const auto & tokens : texts.before) {
            cached_prefix & prefix = texts.batch.prefixes.emplace_back();
            prefix.n = (uint32_t) tokens.size();
            for (size_t il = 0; il < shape.layers.size(); il++) {
                prefix.k.push_back(random_values((size_t) prefix.n * (size_t) model.n_prefix_k(il), 1, random));
                prefix.v.push_back(random_values((size_t) prefix.n * (size_t) model.n_prefix_v(il), 1, random));
            }
        }
    }
    std::mt19937 random;
    compute_device device;
    training_shape shape;
    translator how;
    parameter_set parameters;
    parameter_sums gradients;
    trained_maps maps;
    decoder model;
};

std::vector<float> mapped(const linear_map & map, const std::vector<float> & rows) {
    std::vector<float> out;
    for (size_t row = 0; row < rows.size() / map.n_in; row++)
        for (size_t o = 0; o < map.n_out; o++) {
            double sum = map.bias.empty() ? 0 : map.bias[o];
            for (size_t i = 0; i < map.n_in; i++)
                sum += (double) map.weight[o * map.n_in + i] * rows[row * map.n_in + i];
            out.push_back((float) sum);
        }
    return out;
}

// The student's cache, by the translate handover's own rotations.
cached_prefix handed_over(const training_shape & shape, const translator & how, const cached_prefix & from) {
    cached_prefix out = from;
    for (size_t il = 0; il < shape.layers.size(); il++) {
        if (!how.v.empty()) out.v[il] = mapped(*how.v[il], from.v[il]);
        if (how.k.empty()) continue;
        out.k[il] = mapped(*how.k[il], from.k[il]);
        if (!how.before_rope) continue;
        const rotation turn(shape.layers[il].rope, rotation::direction::forward);
        std::vector<float> table(2 * turn.n_pairs());
        for (uint32_t i = 0; turn.n_pairs() && i < from.n; i++) {
            turn.fill((llama_pos) i, table.data());
            turn.apply(table.data(), &out.k[il][(size_t) i * shape.n_embd_k()], shape.n_head_kv, shape.head_size_k);
        }
    }
    return out;
}

double largest_difference(const std::vector<float> & a, const std::vector<float> & b) {
    CHECK_EQUAL(a.size(), b.size());
    double largest = 0;
    for (size_t i = 0; i < std::min(a.size(), b.size()); i++)
        largest = std::max(largest, (double) std::fabs(a[i] - b[i]));
    return largest;
}

// The worst error over the trained tensors whose name has this in it.
double worst_error(mapped_student & s, two_texts & texts, const std::string & part) {
    s.gradients.clear();
    s.graph(texts.shape, true)->run(texts.batch);
    const auto graph = s.graph(texts.shape, false);
    double worst = 0;
    size_t n = 0;
    for (ggml_tensor * tensor : s.parameters.trained()) {
        if (std::string(tensor->name).find(part) == std::string::npos) continue;
        const std::vector<float> gradient = values_of(s.gradients.of(tensor));
        CHECK(length(gradient) > 0 && std::isfinite(length(gradient)));
        worst = std::max(worst, gradient_error(tensor, gradient, *graph, texts.batch, texts.random));
        n++;
    }
    CHECK(n > 0);
    return worst;
}

}  // namespace

TEST("maps in the graph compute what they compute before it, for every architecture") {
    for (const variant & v : all_variants()) {
        if (!known(v)) continue;
        const variant_file file(v);
        double worst = 0, tolerance = 1e-5;
        for (const map_kind & kind : map_kinds()) {
            mapped_student s(file.str(), kind);
            // ggml's GELU is a table of f16 on the CPU: a difference in the last bit may reach the next entry.
            if (s.shape.arch.activation == ffn_activation::gelu) tolerance = 1e-3;
            two_texts texts(s.shape.n_vocab, true);
            s.add_prefixes(texts);
            const auto graph = s.graph(texts.shape, false);
            const double loss = graph->run(texts.batch).total;

            student plain(file.str());
            train_batch constant = texts.batch;
            for (cached_prefix & prefix : constant.prefixes) prefix = handed_over(s.shape, s.how, prefix);
            const auto plain_graph = plain.graph(texts.shape, false);
            const double expected = plain_graph->run(constant).total;
            const std::vector<float> logits = plain_graph->logits();
            double size = 0;
            for (const float value : logits) size = std::max(size, (double) std::fabs(value));
            worst = std::max(worst, largest_difference(graph->logits(), logits) / size);
            CHECK(std::fabs(loss - expected) < tolerance * expected);
            // That the cache matters at all.
            for (cached_prefix & prefix : constant.prefixes)
                for (std::vector<float> & values : prefix.v)
                    for (float & value : values) value = -value;
            plain_graph->run(constant);
            CHECK(largest_difference(plain_graph->logits(), logits) > 1e-2 * size);
        }
        std::printf("  %s: %.1e\n", v.title, worst);
        CHECK(worst < tolerance);
    }
}

TEST("the gradients of maps are finite differences, for every architecture") {
    for (const variant & v : all_variants()) {
        if (!known(v)) continue;
        const variant_file file(v);
        double worst = 0;
        for (const map_kind & kind : map_kinds()) {
            mapped_student s(file.str(), kind);
            // ggml's GELU is a table of f16 on the CPU, too rough for differences.
            s.shape.arch.activation = ffn_activation::silu;
            // An embedding of many times its size leaves the cache too small a part of the loss.
            s.shape.embedding_factor = 1;
            two_texts texts(s.shape.n_vocab, true);
            s.add_prefixes(texts);
            worst = std::max(worst, worst_error(s, texts, "translator."));
        }
        std::printf("  %s: %.1e\n", v.title, worst);
        CHECK(worst < 2e-3);
    }
}

TEST("beside maps all other weights have their gradients, frozen ones none, and low-rank factors theirs") {
    const variant_file file(all_variants()[0]);
    const auto nothing = [](const std::string &) { return false; };
    for (const map_kind & kind : map_kinds()) {
        mapped_student whole(file.str(), kind), alone(file.str(), kind, nothing),
            adapted(file.str(), kind, nullptr, { 3, 0.5f, nullptr, 7 });
        CHECK_EQUAL(alone.parameters.trained().size(), alone.parameters.added().size());
        for (const ggml_tensor * tensor : alone.parameters.trained())
            CHECK(std::string(tensor->name).rfind("translator.", 0) == 0);
        CHECK(alone.parameters.changed().empty());
        CHECK_EQUAL(adapted.parameters.trained().size(),
                    2 * adapted.parameters.changed().size() + adapted.parameters.added().size());
        for (mapped_student * s : { &whole, &alone, &adapted }) {
            for (ggml_tensor * weight : s->parameters.changed())
                if (ggml_tensor * b = s->parameters.factors_of(weight).b) {
                    const std::vector<float> values = random_values((size_t) ggml_nelements(b), 0.3f, s->random);
                    ggml_backend_tensor_set(b, values.data(), 0, values.size() * sizeof(float));
                }
            two_texts texts(s->shape.n_vocab, true);
            s->add_prefixes(texts);
            CHECK(worst_error(*s, texts, "") < 2e-3);
        }
    }
}

TEST("training moves the maps and lowers the loss; the translator gets their values") {
    const variant_file file(all_variants()[0]);
    for (const map_kind & kind : map_kinds()) {
        mapped_student s(file.str(), kind, [](const std::string &) { return false; });
        two_texts texts(s.shape.n_vocab, true);
        s.add_prefixes(texts);
        translator trained = s.how;
        s.maps.put_values(trained);
        for (size_t il = 0; il < 2; il++) {
            if (!kind.only_v) CHECK(trained.k[il]->weight == s.how.k[il]->weight);
            if (!kind.only_k) CHECK(trained.v[il]->bias == s.how.v[il]->bias);
        }
        const auto graph = s.graph(texts.shape, true);
        adamw optimiser(s.parameters, s.gradients, s.device, {});
        double first = 0, last = 0;
        for (int step = 0; step < 60; step++) {
            s.gradients.clear();
            last = graph->run(texts.batch).total;
            if (step == 0) first = last;
            optimiser.step(1e-2);
        }
        std::printf("  %s: %.3f to %.3f\n", kind.title, first, last);
        CHECK(last < first - 0.1);
        s.maps.put_values(trained);
        for (size_t il = 0; il < 2; il++) {
            if (!kind.only_v) CHECK(trained.k[il]->weight != s.how.k[il]->weight);
            if (!kind.only_k) CHECK(trained.v[il]->weight != s.how.v[il]->weight);
            if (kind.common) CHECK(trained.k[il] == trained.v[il]);
        }
        // They compute the loss that was reached.
        last = s.graph(texts.shape, false)->run(texts.batch).total;
        student plain(file.str());
        train_batch constant = texts.batch;
        for (cached_prefix & prefix : constant.prefixes) prefix = handed_over(s.shape, trained, prefix);
        CHECK(std::fabs(plain.graph(texts.shape, false)->run(constant).total - last) < 1e-5 * last);
    }
}

TEST("a prefix of another width than the maps' is refused") {
    const variant_file file(all_variants()[0]);
    mapped_student s(file.str(), map_kinds()[0]);
    two_texts texts(s.shape.n_vocab, true);
    for (const auto & tokens : texts.before)
        texts.batch.prefixes.push_back(random_prefix(s.shape, (uint32_t) tokens.size(), texts.random));
    CHECK_FAILURE(error_code::invalid_argument, s.graph(texts.shape, false)->run(texts.batch));
}
