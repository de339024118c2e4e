// Trainings beside the full model: on its cache, and from its logits.
#include "check.h"
#include "heal_case.h"
#include "tiny_model.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

using namespace overfill;
using namespace overfill::test;

// An unpruned copy of the full model.
static void use_full_model(heal_case & work) {
    work.options.full = { work.model.str(), 0 };
    work.options.sequences.mode = train_mode::overfill;
    work.options.eval_path = work.options.data_path + ".eval.jsonl";
    std::string lines;
    for (int i = 0; i < 7; i++)
        lines += "{\"prompt\":\"question " + std::to_string(i * 7919) + "\",\"response\":\"answer " +
                 std::to_string(i * 104729) + "\"}\n";
    put_bytes(work.options.eval_path, lines);
    put_bytes(work.options.data_path, lines);
    work.options.max_steps = 1;
}

TEST("a copy of the full model has the full model's loss on its cache, however much of the prompt is in it") {
    std::vector<double> losses;
    for (const double ratio : { 0.0, 0.3, 1.0 }) {
        heal_case work;
        use_full_model(work);
        work.options.sequences.prompt_ratio = ratio;
        losses.push_back(work.run().evaluations[0].loss);
    }
    std::printf("  %.6f, %.6f, %.6f\n", losses[0], losses[1], losses[2]);
    // llama.cpp's attention may compute in f16.
    for (const double loss : losses) CHECK(std::fabs(loss - losses[0]) < 5e-4);
}

TEST("on the full model's cache a set is learnt by heart, and resuming changes no bit") {
    const auto prepare = [](heal_case & work) {
        use_full_model(work);
        work.options.max_steps = 80;
        work.options.adam.decay = 0;
        work.options.sequences.random_cutoff = 0.3;
        work.options.sequences.refresh_interval = 6;
        work.options.limits.n_tokens = 64;
    };
    heal_case whole;
    prepare(whole);
    const heal_result expected = whole.run();
    std::printf("  %.3f to %.4f nats a token\n", expected.evaluations[0].loss, expected.evaluations.back().loss);
    CHECK(expected.evaluations.back().loss < 0.3 * expected.evaluations[0].loss);

    heal_case work;
    prepare(work);
    work.stop_after(33);
    CHECK_FAILURE(error_code::aborted, work.run());
    work.stop = false;
    work.events = {};
    work.options.resume = true;
    const heal_result result = work.run();
    CHECK_EQUAL(result.first_step, 33u);
    CHECK(result.losses == expected.losses);
    CHECK(work.trained() == whole.trained());
}

TEST("there is nothing to learn from oneself: the gradient of the divergence is none") {
    for (const train_mode mode : { train_mode::overfill, train_mode::sft }) {
        heal_case work;
        use_full_model(work);
        work.options.sequences.mode = mode;
        const auto norm_with = [&](float share) {
            double norm = 0;
            work.options.distil = { share, 2 };
            work.events.on_progress = [&](const heal_progress & progress) { norm = progress.gradient_norm; };
            work.run();
            return norm;
        };
        const double of_text = norm_with(0), of_both = norm_with(0.5f), of_itself = norm_with(1);
        std::printf("  %.4f, %.4f, %.1e\n", of_text, of_both, of_itself);
        CHECK(of_itself < 2e-3 * of_text);
        CHECK(std::fabs(of_both - 0.5 * of_text) < 1e-2 * of_text);
    }
}

TEST("a full model of another vocabulary is refused, in every mode that has one") {
    for (const train_mode mode : { train_mode::overfill, train_mode::sft, train_mode::full })
        for (const uint32_t n_extra_tokens : { 90u, 110u }) {
            heal_case work;
            use_full_model(work);
            tiny_model other;
            other.n_extra_tokens = n_extra_tokens;
            const model_path full(other);
            work.options.full = { full.str(), 0 };
            work.options.sequences.mode = mode;
            work.options.distil = { 0.5f, 1 };
            CHECK_FAILURE(error_code::pair_incompatible, work.run());
        }
}

TEST("a type that the file cannot have is refused before the first step") {
    heal_case work;
    use_full_model(work);
    tiny_model odd;
    odd.n_embd = 40;
    const model_path student(odd);
    work.options.student = { student.str(), 0 };
    work.options.full = { "", 0 };
    work.options.sequences.mode = train_mode::full;
    work.options.type = "q8_0";
    uint64_t n_steps = 0;
    work.events.on_progress = [&](const heal_progress & progress) { n_steps = std::max(n_steps, progress.step); };
    CHECK_FAILURE(error_code::invalid_argument, work.run());
    CHECK_EQUAL(n_steps, (uint64_t) 0);
}
