// New models: that they load, run and begin near the loss of knowing nothing, and that impossible ones are refused.
#include "check.h"
#include "gguf_metadata.h"
#include "heal.h"
#include "model_file.h"
#include "temp_folder.h"
#include "tensor_values.h"
#include "token_reader.h"
#include "train_case.h"

#include <cmath>
#include <cstdio>
#include <functional>

#ifndef _WIN32
#include <csignal>
#include <sys/resource.h>
#endif

using namespace overfill;
using namespace overfill::test;

namespace {

const std::atomic<bool> never{ false };

// Nats above the loss of knowing nothing. Tied logits have deviation 1, which costs half a nat, and a new model thinks
// its own token a little likelier than others.
constexpr double largest_excess = 0.8;

new_model_options small_model(const std::string & tokenizer, const std::string & out) {
    new_model_options o;
    o.out_path = out;
    o.tokenizer_path = tokenizer;
    o.name = "Small";
    o.n_embd = 64;
    o.n_ff = 160;
    o.n_layer = 3;
    o.n_head = 4;
    o.n_head_kv = 2;
    o.context_size = 256;
    return o;
}

std::vector<llama_token> random_tokens(size_t n, uint32_t n_vocab, uint32_t seed) {
    std::mt19937 random(seed);
    std::vector<llama_token> out(n);
    for (llama_token & token : out) token = (llama_token) (random() % n_vocab);
    return out;
}

double loss_of(const std::string & path, const std::vector<llama_token> & tokens) {
    const model_ptr model = load_model({ path, 0 }, load_depth::weights, [](float) { return true; });
    token_reader reader(model.get(), (uint32_t) tokens.size(), 1, never);
    return reader.read_and_score(tokens.data(), (uint32_t) tokens.size(), 0) / (double) (tokens.size() - 1);
}

double deviation_of(const std::vector<float> & values) {
    double sum = 0, squares = 0;
    for (const float value : values) {
        sum += value;
        squares += (double) value * value;
    }
    const double n = (double) values.size();
    CHECK(std::fabs(sum / n) < 4 * std::sqrt(squares / n / n));
    return std::sqrt(squares / n);
}

}  // namespace

TEST(
    "a new model has its shape and the tokenizer, passes the checks, and runs in llama.cpp and in the training graph") {
    const temp_folder folder;
    const model_path tokenizer(tiny_model{});
    for (const char * type : { "f32", "f16", "bf16" })
        for (const bool tied : { true, false }) {
            new_model_options o = small_model(tokenizer.str(), folder.file("new.gguf"));
            o.type = type;
            o.tied_output = tied;
            o.head_size = tied ? 0 : 24;  // the heads need not fill the width
            const new_model_result made = create_model(o, never);
            CHECK_EQUAL(check_model_file(o.out_path).architecture, std::string("llama"));
            CHECK_EQUAL(made.n_file_bytes, std::filesystem::file_size(o.out_path));

            const gguf_metadata metadata(o.out_path), old(tokenizer.str());
            CHECK_EQUAL(metadata.text("general.name").value_or(""), std::string("Small"));
            CHECK(metadata.texts("tokenizer.ggml.tokens") == old.texts("tokenizer.ggml.tokens"));
            CHECK(metadata.numbers("tokenizer.ggml.scores") == old.numbers("tokenizer.ggml.scores"));
            CHECK_EQUAL(metadata.number("tokenizer.ggml.eos_token_id").value_or(0), 2.0);
            CHECK_EQUAL(metadata.number("llama.context_length").value_or(0), 256.0);

            student s(o.out_path);
            CHECK_EQUAL(s.parameters.n_trained(), made.n_parameters);
            CHECK_EQUAL(s.shape.head_size_k, tied ? 16u : 24u);
            const double unknowing = std::log((double) s.shape.n_vocab);
            const double loss = loss_of(o.out_path, random_tokens(250, s.shape.n_vocab, 1));
            std::printf("  %s%s: loss %.3f, ln(n_vocab) %.3f\n", type, tied ? ", tied" : "", loss, unknowing);
            CHECK(std::fabs(loss - unknowing) < largest_excess);

            two_texts texts(s.shape.n_vocab, false);
            const auto graph = s.graph(texts.shape);
            CHECK(std::isfinite(graph->run(texts.batch).total));
            CHECK(s.gradients.norm() > 0);
        }
    CHECK_EQUAL(folder.n_files(), (size_t) 1);
}

TEST("what a deep model or a narrow one begins with is near the loss of knowing nothing as well") {
    const temp_folder folder;
    const model_path tokenizer(tiny_model{});
    for (const auto & [n_layer, n_embd] : { std::pair(24u, 64u), std::pair(1u, 16u), std::pair(4u, 512u) }) {
        new_model_options o = small_model(tokenizer.str(), folder.file("new.gguf"));
        o.n_layer = n_layer;
        o.n_embd = n_embd;
        create_model(o, never);
        const double loss = loss_of(o.out_path, random_tokens(250, 359, 1)),
                     repeated = loss_of(o.out_path, { 90, 90, 90, 90, 90 });
        std::printf("  %u layers of %u: loss %.3f, of one token again and again %.3f, ln(n_vocab) %.3f\n", n_layer,
                    n_embd, loss, repeated, std::log(359.0));
        CHECK(std::fabs(loss - std::log(359.0)) < largest_excess);
    }
}

TEST("weights have the deviations that are told, and norms are one") {
    const temp_folder folder;
    const model_path tokenizer(tiny_model{});
    new_model_options o = small_model(tokenizer.str(), folder.file("new.gguf"));
    o.tied_output = false;
    create_model(o, never);
    const tensor_values tensors = tensors_of({ o.out_path });
    CHECK_EQUAL(tensors.size(), (size_t) 3 + 3 * 9);
    for (const auto & [name, tensor] : tensors) {
        const std::vector<float> values = tensor.floats();
        if (name.find("norm") != std::string::npos) {
            CHECK(values == std::vector<float>(64, 1.0f));
            continue;
        }
        double expected = 1 / std::sqrt((double) tensor.ne0);
        if (name == "token_embd.weight") {
            // Around a vector of all tokens, that has the same deviation.
            const size_t n_embd = 64, n_vocab = values.size() / n_embd;
            std::vector<float> shared(n_embd), own = values;
            for (size_t i = 0; i < values.size(); i++) shared[i % n_embd] += values[i] / (float) n_vocab;
            for (size_t i = 0; i < values.size(); i++) own[i] -= shared[i % n_embd];
            CHECK(std::fabs(deviation_of(own) / expected - 1) < 0.05);
            CHECK(std::fabs(deviation_of(shared) / expected - 1) < 0.3);  // of 64 numbers only
            continue;
        }
        if (name.find("attn_output") != std::string::npos || name.find("ffn_down") != std::string::npos)
            expected *= 0.3 / std::sqrt(6.0);
        if (name.find("attn_q") != std::string::npos || name.find("attn_k") != std::string::npos) expected *= 0.2;
        if (name == "output.weight") expected /= 2;
        CHECK(std::fabs(deviation_of(values) / expected - 1) < 0.05);
    }
}

TEST("equal seeds give equal bytes, on every platform; other seeds give others") {
    const temp_folder folder;
    const model_path tokenizer(tiny_model{});
    new_model_options o = small_model(tokenizer.str(), folder.file("a.gguf"));
    create_model(o, never);
    o.out_path = folder.file("b.gguf");
    create_model(o, never);
    CHECK(bytes_of(folder.file("a.gguf")) == bytes_of(folder.file("b.gguf")));
    const std::vector<float> embedding = tensors_of({ o.out_path })["token_embd.weight"].floats();
    CHECK(std::fabs(embedding[0] - -0.168508f) < 1e-6);
    CHECK(std::fabs(embedding[1] - 0.0773412f) < 1e-6);
    CHECK(std::fabs(embedding.back() - 0.0898652f) < 1e-6);
    o.seed = 2;
    create_model(o, never);
    CHECK(tensors_of({ o.out_path })["token_embd.weight"].floats() != embedding);
}

TEST("an impossible shape is refused with the option's name, and nothing is written") {
    const temp_folder folder;
    const model_path tokenizer(tiny_model{});
    const auto refused = [&](const char * option, const std::function<void(new_model_options &)> & edit) {
        new_model_options o = small_model(tokenizer.str(), folder.file("new.gguf"));
        edit(o);
        try {
            create_model(o, never);
            CHECK(false);
        } catch (const failure & error) {
            CHECK(error.code() == error_code::invalid_argument);
            CHECK(error.details().at(0).second == std::string("options.") + option);
        }
    };
    refused("hiddenSize", [](auto & o) { o.n_embd = 0; });
    refused("feedForwardSize", [](auto & o) { o.n_ff = 0; });
    refused("feedForwardSize", [](auto & o) { o.n_ff = 1u << 30; });
    refused("layers", [](auto & o) { o.n_layer = 0; });
    refused("layers", [](auto & o) { o.n_layer = 513; });
    refused("heads", [](auto & o) { o.n_head = 0; });
    refused("heads", [](auto & o) { o.n_embd = 66; });
    refused("kvHeads", [](auto & o) { o.n_head_kv = 0; });
    refused("kvHeads", [](auto & o) { o.n_head_kv = 3; });
    refused("kvHeads", [](auto & o) { o.n_head_kv = 8; });
    refused("headSize", [](auto & o) { o.head_size = 15; });
    refused("headSize", [](auto & o) { o.n_embd = o.n_head = o.n_head_kv = 64; });  // heads of one channel
    refused("contextSize", [](auto & o) { o.context_size = 0; });
    refused("ropeBase", [](auto & o) { o.rope_base = 0; });
    refused("ropeBase", [](auto & o) { o.rope_base = NAN; });
    refused("normEpsilon", [](auto & o) { o.norm_eps = -1; });
    refused("type", [](auto & o) { o.type = "q8_0"; });
    CHECK_EQUAL(folder.n_files(), (size_t) 0);
}

TEST("a tokenizer that is not there, and a disk that is full, leave nothing behind") {
    const temp_folder folder;
    const model_path tokenizer(tiny_model{});
    const new_model_options o = small_model(tokenizer.str(), folder.file("new.gguf"));
    CHECK_FAILURE(error_code::model_not_found, create_model(small_model(folder.file("none"), o.out_path), never));
    put_bytes(folder.file("text.gguf"), "no model");
    CHECK_FAILURE(error_code::model_invalid, create_model(small_model(folder.file("text.gguf"), o.out_path), never));
    CHECK_FAILURE(error_code::file_write_failed,
                  create_model(small_model(tokenizer.str(), folder.file("none/new.gguf")), never));
#ifndef _WIN32
    rlimit old;
    getrlimit(RLIMIT_FSIZE, &old);
    const auto handler = std::signal(SIGXFSZ, SIG_IGN);
    for (const rlim_t n : { (rlim_t) 100, (rlim_t) 100000 }) {
        const rlimit small = { n, old.rlim_max };
        setrlimit(RLIMIT_FSIZE, &small);
        bool failed = false;
        try {
            create_model(o, never);
        } catch (const failure & error) {
            failed = error.code() == error_code::file_write_failed;
        }
        setrlimit(RLIMIT_FSIZE, &old);
        CHECK(failed);
    }
    std::signal(SIGXFSZ, handler);
#endif
    CHECK_EQUAL(folder.n_files(), (size_t) 1);
}
