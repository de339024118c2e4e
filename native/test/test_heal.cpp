// Whole trainings: what they learn, what they count, and how they fail.
#include "check.h"
#include "heal_case.h"
#include "text.h"

#include <ggml-cpp.h>
#include <gguf.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>

using namespace overfill;
using namespace overfill::test;

static double distance(const std::vector<float> & a, const std::vector<float> & b) {
    double most = a.size() == b.size() ? 0 : INFINITY;
    for (size_t i = 0; i < std::min(a.size(), b.size()); i++) most = std::max(most, (double) std::fabs(a[i] - b[i]));
    return most;
}

static std::vector<llama_token> tokens_of(const heal_case & work, const std::string & text, bool add_special) {
    const model_ptr model = load_model({ work.model.str(), 0 }, load_depth::metadata, [](float) { return true; });
    return tokenize(llama_model_get_vocab(model.get()), text,
                    add_special ? text_place::whole : text_place::continuation, true);
}

TEST("a set that can be learnt by heart is, and the file that is written has the weights") {
    heal_case work;
    work.write_lines(work.options.data_path, 4, 2);
    work.options.max_steps = 150;
    work.options.adam.decay = 0;
    work.options.eval_path = work.folder.file("eval.jsonl");
    put_bytes(work.options.eval_path, bytes_of(work.options.data_path));
    const heal_result result = work.run();
    std::printf("  %.3f to %.5f nats a token, %.0f tokens/s\n", result.losses.front(), result.losses.back(),
                result.tokens_per_second);
    CHECK(result.losses.front() > 4);
    CHECK(result.losses.back() < 0.02);
    CHECK_EQUAL(result.losses.size(), (size_t) 150);
    CHECK_EQUAL(result.n_steps, 150u);
    CHECK_EQUAL(result.first_step, 0u);
    CHECK_EQUAL(result.n_examples, 600u);
    CHECK(result.reason == heal_end::steps);
    CHECK_EQUAL(result.n_file_bytes, std::filesystem::file_size(result.path));
    CHECK(!work.has(work.checkpoint()));

    // The evaluations are of the same lines, before the first step and behind the last.
    CHECK_EQUAL(result.evaluations.size(), (size_t) 2);
    CHECK(std::fabs(result.evaluations[0].loss - result.losses[0]) < 1e-5);
    CHECK(result.evaluations[1].loss < 0.02);
    heal_case again;
    again.options = work.options;
    again.options.student.path = result.path;
    again.options.out_path = work.folder.file("again.gguf");
    again.options.max_steps = 1;
    CHECK(std::fabs(again.run().evaluations[0].loss - result.evaluations[1].loss) < 1e-6);
}

TEST("equal runs write equal files, on one thread and on two") {
    heal_case work;
    const heal_result first = work.run();
    const std::string once = work.trained();
    for (const int32_t n_threads : { 1, 2 }) {
        work.options.n_threads = n_threads;
        work.run();
        CHECK(work.trained() == once);
    }
    work.options.seed = 2;
    CHECK(work.run().losses != first.losses);
}

TEST("the gradients of micro-batches add up to those of one batch") {
    heal_case work;
    work.options.max_steps = 1;
    work.options.batch_size = 12;
    work.options.limits.token_bucket = 1;
    // A step of Adam is as large for a small gradient as for a large one: rounding would show.
    work.options.adam.epsilon = 1e-2;
    const heal_result one = work.run();
    const std::vector<float> whole = weights_of(work.options.out_path);
    for (const uint32_t n_tokens : { 1, 40, 100 }) {
        work.options.limits.n_tokens = n_tokens;
        const heal_result parts = work.run();
        CHECK(distance(weights_of(work.options.out_path), whole) < 1e-6);
        CHECK(std::fabs(parts.losses[0] - one.losses[0]) < 1e-5);
        CHECK_EQUAL(parts.n_tokens, one.n_tokens);
    }
}

TEST("a step is AdamW's down the clipped gradient, at the schedule's rate") {
    heal_case work;
    // One line, so that the batch is known.
    put_bytes(work.options.data_path, "{\"text\":\"abcdefg\"}\n");
    work.options.batch_size = 1;
    work.options.max_steps = 2;
    work.options.rate = { 1e-2, rate_schedule::linear, 0.5, 0 };
    work.options.clip = 0.25;
    work.options.adam.epsilon = 1e-3;
    double norm = 0, rate = 0;
    work.events.on_progress = [&](const heal_progress & progress) {
        if (progress.stage == heal_stage::training && progress.step == 1) {
            norm = progress.gradient_norm;
            rate = progress.learning_rate;
            work.stop = true;
        }
    };
    CHECK_FAILURE(error_code::aborted, work.run());
    // Half way up to the peak: one step of two is warm-up.
    CHECK_EQUAL(rate, 5e-3);
    student reference(work.model.str());
    const auto gradient_norm = [&] {
        const std::vector<llama_token> text = tokens_of(work, "abcdefg", true);
        batch_shape shape{ 1, (uint32_t) text.size(), 0 };
        train_batch batch;
        batch.tokens = text;
        batch.targets.assign(text.begin() + 1, text.end());
        batch.targets.push_back(0);
        batch.weights.assign(text.size(), 1.0f / (float) (text.size() - 1));
        batch.weights.back() = 0;
        batch.segments.assign(text.size(), 0);
        for (size_t i = 0; i < text.size(); i++) batch.positions.push_back((llama_pos) i);
        reference.gradients.clear();
        reference.graph(shape)->run(batch);
        return reference.gradients.norm();
    }();
    CHECK(norm > 0.25);
    CHECK(std::fabs(norm - gradient_norm) < 1e-5 * norm);

    std::vector<double> expected;
    for (const ggml_tensor * tensor : reference.parameters.all()) {
        const std::vector<float> w = values_of(tensor), g = values_of(reference.gradients.of(tensor));
        const double decay = ggml_n_dims(tensor) > 1 ? 0.01 : 0;
        for (size_t i = 0; i < w.size(); i++) {
            // After one step both corrected moments are the gradient and its square.
            const double clipped = g[i] * (0.25 / gradient_norm);
            expected.push_back(w[i] * (1 - rate * decay) - rate * clipped / (std::fabs(clipped) + 1e-3));
        }
    }
    heal_case one;
    one.options = work.options;
    one.options.max_steps = 1;
    one.options.rate = { 5e-3, rate_schedule::constant, 0, 0 };
    one.options.out_path = work.folder.file("one.gguf");
    one.run();
    const std::vector<float> stepped = weights_of(one.options.out_path);
    CHECK_EQUAL(stepped.size(), expected.size());
    double worst = 0;
    for (size_t i = 0; i < std::min(stepped.size(), expected.size()); i++)
        worst = std::max(worst, std::fabs(stepped[i] - expected[i]));
    std::printf("  %.1e\n", worst);
    CHECK(worst < 2e-6);
}

TEST("what is frozen stays as it is") {
    heal_case work;
    work.options.freeze = { "blk.0.*", "token_emb?.weight" };
    work.run();
    const student before(work.model.str()), after(work.options.out_path);
    for (const ggml_tensor * tensor : before.parameters.all()) {
        const std::string name = tensor->name;
        const bool frozen = name.rfind("blk.0.", 0) == 0 || name == "token_embd.weight";
        CHECK_EQUAL(values_of(tensor) == values_of(after.parameters.find(name)), frozen);
    }
    work.options.freeze = { "*" };
    CHECK(CHECK_FAILURE(error_code::invalid_argument, work.run()).find("options.freeze") != std::string::npos);
}

TEST("epochs become steps") {
    heal_case work;
    work.options.max_steps = 0;
    for (const auto & [epochs, n_steps] :
         std::vector<std::pair<double, uint64_t>>{ { 1, 3 }, { 1.1, 4 }, { 0.01, 1 } }) {
        work.options.epochs = epochs;
        CHECK_EQUAL(work.run().n_steps, n_steps);
    }
}

TEST("a plain text is trained on in windows of the context") {
    heal_case work;
    std::string text;
    for (int i = 0; i < 60; i++) text += "line " + std::to_string(i) + "\n";
    work.options.data_path = work.folder.file("data.txt");
    put_bytes(work.options.data_path, text);
    work.options.context_size = 32;
    work.options.max_steps = 0;
    work.options.epochs = 1;
    work.options.batch_size = 1;
    const heal_result result = work.run();
    // Each window begins with the token that every text begins with, of which nothing is asked.
    const size_t n_tokens = tokens_of(work, text, false).size();
    CHECK_EQUAL(result.n_steps, (n_tokens + 30) / 31);
    CHECK_EQUAL(result.n_tokens, n_tokens);
    put_bytes(work.options.data_path, "");
    CHECK_FAILURE(error_code::data_invalid, work.run());
}

// --- data ---

TEST("bad lines are told of and skipped, up to the limit") {
    heal_case work;
    const std::string good = "{\"text\":\"abcdef\"}\n";
    std::string lines;
    for (int i = 1; i <= 12; i++)
        lines += i == 3   ? "{ no json\n"
                 : i == 5 ? "{\"prompt\":\"a\",\"response\":\"\"}\n"
                 : i == 8 ? "{\"text\":\"" + std::string(100, 'x') + "\"}\n"
                          : good;
    put_bytes(work.options.data_path, lines);
    work.options.max_bad_lines = 3;
    std::vector<uint64_t> told;
    work.events.on_bad_line = [&](const bad_line & line) {
        CHECK_EQUAL(line.path, work.options.data_path);
        CHECK(!line.reason.empty());
        told.push_back(line.number);
    };
    const heal_result result = work.run();
    CHECK_EQUAL(told.size(), (size_t) 3);
    CHECK_EQUAL(result.bad_lines.size(), (size_t) 3);
    std::sort(told.begin(), told.end());
    CHECK(told == std::vector<uint64_t>({ 3, 5, 8 }));
    for (const bad_line & line : result.bad_lines)
        if (line.number == 8) CHECK(line.reason.find("104 tokens, more than the 64") != std::string::npos);

    work.options.max_bad_lines = 2;
    work.options.shuffle_window = 1;
    try {
        work.run();
        CHECK(!"no failure");
    } catch (const failure & error) {
        CHECK(error.code() == error_code::data_invalid);
        CHECK(error.details() == error_details({ { "path", work.options.data_path }, { "line", 8 } }));
        CHECK(std::string(error.what()).find(":8: ") != std::string::npos);
    }
}

TEST("data without a line that can be used is refused, however long it is read") {
    heal_case work;
    for (const char * text : { "", "\n\n", "nonsense\n", "nonsense\nnonsense\n" }) {
        put_bytes(work.options.data_path, text);
        work.options.max_bad_lines = 1000;
        CHECK_FAILURE(error_code::data_invalid, work.run());
        heal_case other;
        other.options.eval_path = work.options.data_path;
        CHECK_FAILURE(error_code::data_invalid, other.run());
    }
    work.options.data_path = work.folder.file("none");
    CHECK_FAILURE(error_code::file_read_failed, work.run());
}

// --- ends ---

TEST("training ends when evaluations do not get better, and the best weights are written") {
    heal_case work;
    work.options.eval_path = work.folder.file("eval.jsonl");
    work.write_lines(work.options.eval_path, 6, 77);
    work.options.eval_interval = 2;
    work.options.patience = 3;
    work.options.max_steps = 400;
    work.options.rate = { 1e-2, rate_schedule::constant, 0, 0 };
    std::vector<double> told;
    work.events.on_evaluation = [&](const evaluation & measured) { told.push_back(measured.loss); };
    const heal_result result = work.run();
    CHECK(result.reason == heal_end::patience);
    CHECK(result.n_steps < 400);
    const auto less = [](const evaluation & a, const evaluation & b) { return a.loss < b.loss; };
    const auto best = std::min_element(result.evaluations.begin(), result.evaluations.end(), less);
    CHECK_EQUAL(result.evaluations.end() - best, 4);
    CHECK_EQUAL(told.size(), result.evaluations.size());
    CHECK(best->step > 0);
    std::printf("  best %.3f at step %d, ended at %.3f\n", best->loss, (int) best->step,
                result.evaluations.back().loss);

    heal_case check;
    check.options.student.path = result.path;
    check.options.eval_path = work.options.eval_path;
    check.options.max_steps = 1;
    CHECK(std::fabs(check.run().evaluations[0].loss - best->loss) < 1e-6);
}

TEST("a training that diverges ends with a code, and the last checkpoint stays") {
    heal_case work;
    work.options.rate = { 1e6, rate_schedule::constant, 0, 0 };
    work.options.max_steps = 40;
    CHECK_FAILURE(error_code::training_diverged, work.run());
    CHECK(!work.has(work.options.out_path));
    CHECK(!work.has(work.checkpoint()));

    work.options.checkpoint_interval = 1;
    CHECK_FAILURE(error_code::training_diverged, work.run());
    CHECK(work.has(work.checkpoint()));
    const std::string last = bytes_of(work.checkpoint());
    // It is whole: going on from it diverges in the same way.
    work.options.resume = true;
    CHECK_FAILURE(error_code::training_diverged, work.run());
    CHECK(bytes_of(work.checkpoint()) == last);

    const std::string path = work.folder.file("poisoned.gguf");
    std::string bytes = bytes_of(work.model.str());
    const gguf_context_ptr gguf(gguf_init_from_file(work.model.str().c_str(), { true, nullptr }));
    const int64_t id = gguf_find_tensor(gguf.get(), "blk.1.ffn_up.weight");
    const float nan = NAN;
    std::memcpy(&bytes[gguf_get_data_offset(gguf.get()) + gguf_get_tensor_offset(gguf.get(), id)], &nan, 4);
    put_bytes(path, bytes);
    heal_case other;
    other.options.student.path = path;
    CHECK_FAILURE(error_code::training_diverged, other.run());
    CHECK(!other.has(other.options.out_path));
}

TEST("files that are read are not written, and places that cannot be written to are refused first") {
    heal_case work;
    work.options.eval_path = work.folder.file("eval.jsonl");
    work.write_lines(work.options.eval_path, 3, 5);
    const auto refused = [&](const std::function<void(heal_options &)> & change, const char * parameter) {
        heal_case other;
        other.options = work.options;
        change(other.options);
        CHECK(CHECK_FAILURE(error_code::invalid_argument, other.run()).find(parameter) != std::string::npos);
    };
    const std::string data = bytes_of(work.options.data_path);
    refused([&](heal_options & o) { o.out_path = o.data_path; }, "options.out");
    refused([&](heal_options & o) { o.out_path = o.student.path; }, "options.out");
    refused([&](heal_options & o) { o.checkpoint_path = o.eval_path; }, "options.checkpoint");
    refused([&](heal_options & o) { o.checkpoint_path = o.out_path; }, "options.checkpoint");
    refused([&](heal_options & o) { o.log_path = o.data_path; }, "options.log");
    refused([&](heal_options & o) { o.log_path = o.out_path + ".checkpoint"; }, "options.log");
    CHECK(bytes_of(work.options.data_path) == data);
    for (std::string heal_options::*path :
         { &heal_options::out_path, &heal_options::checkpoint_path, &heal_options::log_path }) {
        heal_case other;
        other.options.*path = other.folder.file("none/x");
        CHECK_FAILURE(error_code::file_write_failed, other.run());
    }
    refused([](heal_options & o) { o.type = "q5_0"; }, "options.type");
    refused([](heal_options & o) { o.batch_size = 0; }, "options.batchSize");
    refused(
        [](heal_options & o) {
            o.max_steps = 0;
            o.epochs = 0;
        },
        "options.epochs");
    refused(
        [](heal_options & o) {
            o.eval_path = "";
            o.patience = 1;
        },
        "options.patience");
    refused([](heal_options & o) { o.sequences.mode = train_mode::overfill; }, "options.full");
    refused([](heal_options & o) { o.distil.share = 0.5f; }, "options.full");
    refused([](heal_options & o) { o.context_size = 1; }, "options.contextSize");
}
