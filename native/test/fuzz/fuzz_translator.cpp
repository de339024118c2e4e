// A translator's file; one that is read is written and read again, and looked at beside two models.
#include "fuzz_target.h"
#include "translator_file.h"

using namespace overfill;
using namespace overfill::test;

namespace {

std::shared_ptr<linear_map> some_map(uint32_t n_in, uint32_t n_out) {
    auto map = std::make_shared<linear_map>();
    map->n_in = n_in;
    map->n_out = n_out;
    for (size_t i = 0; i < (size_t) n_in * n_out; i++) map->weight.push_back(0.25f * (float) (i % 7) - 0.5f);
    map->bias.assign(n_out, 0.5f);
    return map;
}

std::string written(const translator & t, ggml_type type) {
    const std::string path = fuzz_folder().file("seed");
    write_translator(path, t, type);
    return bytes_of(path);
}

}  // namespace

void overfill::test::fuzz_one(const std::string & bytes) {
    const std::string path = fuzz_file(bytes), again = fuzz_folder().file("again");
    const bool is_one = is_translator_file(path);
    read_or_refuse([&] {
        const translator read = read_translator(path);
        demand(is_one, "what can be read says what it is");
        write_translator(again, read, GGML_TYPE_F32);
        const translator twice = read_translator(again);
        demand(twice.layers == read.layers && twice.k.size() == read.k.size() && twice.v.size() == read.v.size(),
               "a translator comes back");
        check_translator(read, model_traits{}, "", model_traits{}, "");
    });
}

std::vector<std::string> overfill::test::fuzz_seeds() {
    translator layers, linear;
    layers.layers = { 0, 2, 1 };
    layers.source_name = "A model";
    linear.layers = { 0, 1 };
    const auto common = some_map(4, 2);
    linear.k = { some_map(4, 2), common };
    linear.v = { some_map(4, 2), common };
    linear.source_fingerprint = "llama-0123456789abcdef";
    linear.error_k = linear.error_v = { 0.1f, 0.2f };
    linear.loss.alone = linear.loss.mapped = 2.5;
    linear.n_fit_tokens = 12345;
    translator quantised = linear;
    quantised.k = { some_map(32, 2), nullptr };
    quantised.v = { nullptr, some_map(32, 2) };
    return { written(layers, GGML_TYPE_F32), written(linear, GGML_TYPE_F32), written(linear, GGML_TYPE_F16),
             written(quantised, GGML_TYPE_Q8_0) };
}
