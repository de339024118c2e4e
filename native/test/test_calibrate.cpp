// Importance measured through llama.cpp's evaluation callback, against the slow reference and against itself; texts,
// options and models that cannot be measured; aborts.
#include "activation_capture.h"
#include "calibration_driver.h"
#include "check.h"
#include "importance_reference.h"
#include "tiny_architectures.h"
#include "tiny_model.h"
#include "token_reader.h"

#include <ggml-backend.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <thread>

using namespace overfill;
using namespace overfill::test;

namespace {

void check_against_reference(const std::string & path, const tiny_model & shape, const node_names & names,
                             const std::string & what) {
    const text_file text(some_text(300));
    const uint32_t window = 40;
    const model_ptr model = load(path);
    importance_reference slow(path, shape, names);
    const auto windows = windows_of(model, text.path, window);
    for (const auto & tokens : windows) slow.add(tokens);
    CHECK(windows.size() >= 5);
    const importance one = measure(model, options_for(text, window, 1)).measured;
    check_near(one, slow.out, 1e-9, what + ", a window a batch");
    // ggml looks GELU up in a table by its argument in f16: where another grouping moves that over a step, the value
    // moves by 2^-11 of itself.
    const bool by_table = std::string(names.ffn) == "ffn_geglu";
    check_near(measure(model, options_for(text, window, 3)).measured, slow.out, other_grouping, what + ", three",
               by_table ? 2e-3 : 1e-5);
    CHECK_EQUAL(one.n_samples, windows.size());
    CHECK_EQUAL(one.n_tokens, windows.size() * window);
    CHECK_EQUAL(one.n_scored, windows.size() * (window - 1));
}

tiny_model square_shape() {
    tiny_model shape;
    shape.n_layer = 3;
    shape.head_size = shape.n_embd / shape.n_head;
    return shape;
}

}  // namespace

TEST("importance is what plain loops over the activations give: llama") {
    tiny_model shape;
    shape.n_layer = 3;
    const model_path path(shape);
    check_against_reference(path.str(), shape, {}, "llama");
}

TEST("and of one layer, whose last rows llama.cpp would leave out") {
    tiny_model shape;
    shape.n_layer = 1;
    const model_path path(shape);
    check_against_reference(path.str(), shape, {}, "llama of one layer");
}

TEST("and with biases: qwen2") {
    tiny_variant model(square_shape());
    model.add("attn_q.bias", 64, 0);
    model.add("attn_k.bias", 32, 0);
    model.add("attn_v.bias", 32, 0);
    check_against_reference(model.write("qwen2"), model.shape(), {}, "qwen2");
}

TEST("and with norms before and after the blocks, sliding windows and scaled embeddings: gemma2") {
    tiny_variant model(square_shape());
    model.remove("output.weight");
    model.add("post_attention_norm.weight", 64, 1);
    model.add("post_ffw_norm.weight", 64, 1);
    node_names names;
    names.ffn = "ffn_geglu";
    names.embedding_scale = 8;
    check_against_reference(model.write("gemma2", { { "attention.sliding_window", 16 } }), model.shape(), names,
                            "gemma2");
}

TEST("and with norms after the blocks only: olmo2") {
    tiny_variant model(square_shape());
    model.rename("attn_norm", "post_attention_norm");
    model.rename("ffn_norm", "post_ffw_norm");
    model.add("attn_q_norm.weight", 64, 1);
    model.add("attn_k_norm.weight", 32, 1);
    node_names names;
    names.first_norm = "attn_post_norm";
    names.second_norm = "ffn_post_norm";
    check_against_reference(model.write("olmo2"), model.shape(), names, "olmo2");
}

TEST("and with joined matrices: phi3") {
    tiny_variant model(square_shape());
    model.join({ "attn_q", "attn_k", "attn_v" }, "attn_qkv");
    model.join({ "ffn_gate", "ffn_up" }, "ffn_up");
    check_against_reference(model.write("phi3"), model.shape(), {}, "phi3");
}

TEST("and where the norm before the FFN has another's name: seed_oss") {
    tiny_variant model(square_shape());
    model.rename("ffn_norm", "post_attention_norm");
    node_names names;
    names.second_norm = "attn_post_norm";
    check_against_reference(model.write("seed_oss"), model.shape(), names, "seed_oss");
}

TEST("a window longer than a micro-batch is measured as a whole") {
    tiny_model shape;
    const model_path path(shape);
    const text_file text(some_text(1500));
    const model_ptr model = load(path.str());
    importance_reference slow(path.str(), shape, {});
    slow.add(windows_of(model, text.path, 1100).at(0));
    // 512, 512 and 76 tokens; then all at once.
    calibrate_options options = options_for(text, 1100);
    options.max_samples = 1;
    const importance in_parts = measure(model, options).measured;
    CHECK_EQUAL(in_parts.n_samples, 1u);
    CHECK_EQUAL(in_parts.n_scored, 1099u);
    check_near(in_parts, slow.out, other_grouping, "in parts");
    options.windows_per_batch = 1;
    const importance whole = measure(model, options).measured;
    check_near(whole, slow.out, 1e-9, "whole");
    CHECK(std::fabs(in_parts.loss_sum - whole.loss_sum) < 1e-6 * whole.loss_sum);
}

TEST("two texts measured apart and merged are as one text measured") {
    const model_path path(tiny_model{});
    const model_ptr model = load(path.str());
    // Bytes that are a token each, ending where a window of 31 and a BOS token ends. The vocabulary puts a space of
    // three bytes before every text, which the second part has to have in the middle of the whole.
    const auto bytes = [](size_t n, uint32_t seed) {
        std::mt19937 random(seed);
        std::string text;
        while (text.size() + 1 < n) text += (char) ('a' + random() % 20);
        return text + "\n";
    };
    const std::string a = bytes(4 * 31 - 3, 1), b = bytes(7 * 31 - 3, 2);
    const text_file first(a), second(b), both(a + "\xe2\x96\x81" + b);
    importance sum = measure(model, options_for(first, 32, 3)).measured;
    CHECK_EQUAL(sum.n_samples, 4u);
    const importance whole = measure(model, options_for(both, 32, 3)).measured;
    CHECK_EQUAL(whole.n_samples, 11u);
    merge(sum, measure(model, options_for(second, 32, 3)).measured);
    check_near(sum, whole, other_grouping, "merged");
    CHECK_EQUAL(sum.n_samples, whole.n_samples);
    CHECK_EQUAL(sum.n_tokens, whole.n_tokens);
    CHECK_EQUAL(sum.n_scored, whole.n_scored);
    CHECK(std::fabs(sum.loss_sum - whole.loss_sum) < 1e-6 * whole.loss_sum);
    CHECK_EQUAL(sum.text_name, std::string("text.txt, text.txt"));
}

TEST("the loss is the one that a token reader measures") {
    const model_path path(tiny_model{});
    const text_file text(some_text(400));
    const model_ptr model = load(path.str());
    token_reader reader(model.get(), 64, 1, never);
    double expected = 0;
    for (const auto & window : windows_of(model, text.path, 64)) {
        reader.clear();
        expected += reader.read_and_score(window.data(), 64, 0);
    }
    const importance measured = measure(model, options_for(text, 64)).measured;
    std::printf("  %.9g and %.9g nats\n", measured.loss_sum, expected);
    CHECK(expected > 0);
    CHECK(std::fabs(measured.loss_sum - expected) < 1e-4 * expected);
}

TEST("every n-th window is held out, never the first, and not measured") {
    const model_path path(tiny_model{});
    const text_file text(some_text(800));
    const model_ptr model = load(path.str());
    const auto windows = windows_of(model, text.path, 32);
    calibrate_options options = options_for(text, 32);
    options.held_out_period = 4;
    options.max_held_out = 1000;
    const calibration all = measure(model, options);
    CHECK_EQUAL(all.held_out.size() + all.measured.n_samples, windows.size());
    CHECK(all.held_out.size() >= windows.size() / 4);
    for (size_t i = 0; i < all.held_out.size(); i++) CHECK(all.held_out[i] == windows[1 + 4 * i]);
    CHECK_EQUAL(all.measured.n_tokens, 32 * all.measured.n_samples);

    options.max_held_out = 3;
    const calibration few = measure(model, options);
    CHECK(few.held_out.size() >= 2 && few.held_out.size() <= 3);
    CHECK(few.held_out.front() == windows[1]);
    CHECK(few.held_out.back() != windows[5]);  // spread over the text
    CHECK_EQUAL(few.measured.n_samples, all.measured.n_samples);

    options.max_samples = 5;
    std::vector<double> fractions;
    const calibration limited = calibrate(
        model.get(), options, [&](double fraction, uint64_t) { fractions.push_back(fraction); }, never);
    CHECK_EQUAL(limited.measured.n_samples, 5u);
    CHECK(std::is_sorted(fractions.begin(), fractions.end()));
    CHECK_EQUAL(fractions.back(), 1.0);
}

TEST("bad input has its code") {
    tiny_model shape;
    shape.n_ctx_train = 64;
    const model_path path(shape);
    const model_ptr model = load(path.str());
    const text_file empty(""), one_line("w1 w2 w3\n"), enough(some_text(200));
    CHECK_FAILURE(error_code::invalid_argument, measure(model, options_for(empty, 0)));
    CHECK_FAILURE(error_code::invalid_argument, measure(model, options_for(one_line, 0)));
    CHECK_FAILURE(error_code::invalid_argument, measure(model, options_for(enough, 65)));
    CHECK_FAILURE(error_code::invalid_argument, measure(model, options_for(enough, 1)));
    CHECK_EQUAL(measure(model, options_for(enough, 0)).measured.window, 64u);
    calibrate_options missing = options_for(enough, 0);
    missing.text_path = enough.folder.file("none.txt");
    CHECK_FAILURE(error_code::file_read_failed, measure(model, missing));
}

TEST("a model without a row in the table is refused by name") {
    const tiny_variant model(square_shape());
    const text_file text(some_text(100));
    const model_ptr loaded = load(model.write("refact"));
    const std::string why = CHECK_FAILURE(error_code::prune_unsupported, measure(loaded, options_for(text, 32)));
    CHECK(why.find("refact") != std::string::npos);
}

TEST("activations that are no finite numbers are an error") {
    for (const char * tensor : { "blk.1.ffn_norm.weight", "blk.0.attn_norm.weight", "token_embd.weight",
                                 "blk.1.ffn_down.weight", "blk.0.attn_output.weight" })
        for (const float value : { INFINITY, NAN }) {
            tiny_variant model(square_shape());
            // Of the embedding the second token, which is BOS.
            const bool is_embedding = std::string(tensor) == "token_embd.weight";
            std::fill_n(model.values(tensor) + (is_embedding ? 64 : 0), 64, value);
            const text_file text(some_text(100));
            const model_ptr loaded = load(model.write("llama"));
            CHECK_FAILURE(error_code::inference_failed, measure(loaded, options_for(text, 32)));
        }
}

TEST("aborts from the progress callback, before the first batch and amid a batch") {
    tiny_model shape;
    shape.n_layer = 8;
    shape.n_embd = 256;
    shape.n_ff = 1024;
    const model_path path(shape);
    const text_file text(some_text(20000));
    const model_ptr model = load(path.str());
    std::atomic<bool> stop{ true };
    const calibrate_options options = options_for(text, 512);
    size_t n_reports = 0;
    const auto count = [&](double, uint64_t) { n_reports++; };
    CHECK_FAILURE(error_code::aborted, calibrate(model.get(), options, count, stop));
    CHECK_EQUAL(n_reports, 0u);

    stop = false;
    const auto stop_at_first = [&](double, uint64_t) {
        n_reports++;
        stop = true;
    };
    CHECK_FAILURE(error_code::aborted, calibrate(model.get(), options, stop_at_first, stop));
    CHECK_EQUAL(n_reports, 1u);

    stop = false;
    n_reports = 0;
    std::thread later([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        stop = true;
    });
    CHECK_FAILURE(error_code::aborted, calibrate(model.get(), options, count, stop));
    later.join();
    // The model is as it was.
    CHECK_EQUAL(measure(model, options_for(text_file(some_text(100)), 64)).measured.window, 64u);
}

TEST("rows with gaps and weights that were copied to a device are read as well") {
    const ggml_context_ptr ctx(ggml_init({ 64 * ggml_tensor_overhead(), nullptr, /*no_alloc*/ true }));
    ggml_tensor * weight = ggml_new_tensor_2d(ctx.get(), GGML_TYPE_F32, 6, 4);
    ggml_set_name(weight, "CUDA0#blk.0.attn_output.weight#0");
    ggml_tensor * base = ggml_new_tensor_2d(ctx.get(), GGML_TYPE_F32, 8, 7);
    ggml_tensor * gaps = ggml_view_2d(ctx.get(), base, 6, 5, base->nb[1], sizeof(float));
    ggml_tensor * turned = ggml_permute(ctx.get(), ggml_view_2d(ctx.get(), base, 7, 6, base->nb[1], 0), 1, 0, 2, 3);
    const ggml_backend_buffer_ptr buffer(
        ggml_backend_alloc_ctx_tensors_from_buft(ctx.get(), ggml_backend_cpu_buffer_type()));
    std::vector<float> values(56);
    for (size_t i = 0; i < values.size(); i++) values[i] = (float) i;
    ggml_backend_tensor_set(base, values.data(), 0, values.size() * sizeof(float));

    for (ggml_tensor * rows : { gaps, turned }) {
        ggml_tensor * product = ggml_mul_mat(ctx.get(), weight, rows);
        std::vector<float> got;
        activation_capture capture(norm_place::before, 1,
                                   [&](activation what, uint32_t layer, const float * data, size_t n, size_t m) {
                                       CHECK(what == activation::heads && layer == 0 && n == 6);
                                       got.assign(data, data + n * m);
                                   });
        capture.begin();
        CHECK(activation_capture::callback(product, true, &capture));
        CHECK(activation_capture::callback(product, false, &capture));
        std::vector<float> expected;
        for (size_t row = 0; row < (size_t) rows->ne[1]; row++)
            for (size_t i = 0; i < 6; i++) expected.push_back((float) (rows == gaps ? row * 8 + i + 1 : i * 8 + row));
        CHECK(got == expected);
        CHECK_FAILURE(error_code::prune_unsupported, capture.end());  // the rest of the layer was not seen
    }
}
