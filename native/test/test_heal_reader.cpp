// Whole trainings of the reader, alone or beside the writer: what they learn, what they leave, and that resuming
// changes no bit.
#include "adapters.h"
#include "check.h"
#include "gguf_metadata.h"
#include "maps_case.h"
#include "tiny_adapter.h"
#include "translator_file.h"

#include <cmath>
#include <cstdio>
#include <functional>

using namespace overfill;
using namespace overfill::test;

namespace {

// A writer of the reader's KV shape that has learned nothing, and eight lines.
struct reader_training : maps_case {
    reader_training() : maps_case(map_kinds()[0], alike()) {
        options.side = train_side::reader;
        options.translator_path = folder.file("layers.gguf");
        options.translator_out_path = "";
        options.train_translator = false;
        options.max_steps = 40;
        options.rate.peak = 2e-2;
        options.reader_lora = { 4, 8, {} };
        use_layers({ 0, 2 });
    }
    void use_layers(const std::vector<int32_t> & map) {
        translator layers;
        layers.layers = map;
        write_translator(options.translator_path, layers, GGML_TYPE_F32);
    }
    // alike() has another RoPE base than the reader.
    static tiny_model alike() {
        tiny_model shape = maps_case::alike();
        shape.rope_base = full_shape().rope_base;
        return shape;
    }
    void train_both() {
        options.side = train_side::both;
        options.reader_out_path = folder.file("reader.gguf");
    }
    // The loss that a training of a writer begins with, on the cache of this reader.
    double loss_behind(const std::string & reader, const std::string & writer) const {
        heal_case other;
        other.options = options;
        other.options.side = train_side::writer;
        other.options.full.path = reader;
        other.options.student.path = writer;
        other.options.reader_out_path = "";
        other.options.reader_lora = {};
        other.options.lora = {};
        other.options.distil = {};
        other.options.out_path = other.folder.file("again.gguf");
        other.options.max_steps = 1;
        other.options.rate.peak = 1e-9;
        other.options.patience = 0;
        other.options.resume = false;
        other.options.checkpoint_path = other.options.log_path = "";
        return other.run().evaluations[0].loss;
    }
    std::string merged() const {
        const std::string path = folder.file("merged.gguf");
        write_merged(path, full.str(), options.side == train_side::both ? options.reader_out_path : options.out_path,
                     1);
        return path;
    }
};

}  // namespace

TEST("a reader's weights are trained for a writer that stays as it is, and the file is the reader") {
    reader_training work;
    work.options.reader_lora = {};
    const std::string writer = bytes_of(work.student.str()), reader = bytes_of(work.full.str());
    const heal_result result = work.run();
    const double before = result.evaluations.front().loss, after = result.evaluations.back().loss;
    std::printf("  %.4f to %.4f nats a token\n", before, after);
    CHECK(after < 0.8 * before);
    CHECK(bytes_of(work.student.str()) == writer && bytes_of(work.full.str()) == reader);
    CHECK_EQUAL(result.n_file_bytes, std::filesystem::file_size(result.path));
    CHECK(result.reader_path.empty() && result.translator_path.empty());
    CHECK(gguf_metadata(result.path).text("overfill.heal.mode") == std::string("overfill"));
    // llama.cpp's cache of the reader that was written, and what the two were before.
    CHECK(std::fabs(work.loss_behind(result.path, work.student.str()) - after) < 1e-3 * after);
    CHECK(std::fabs(work.loss_behind(work.full.str(), work.student.str()) - before) < 1e-3 * before);
}

TEST("low-rank factors are written as an adapter that llama.cpp loads, of each type") {
    double f32_loss = 0;
    for (const char * type : { "same", "f16", "bf16" }) {
        reader_training work;
        work.options.type = type;
        const heal_result result = work.run();
        const double after = result.evaluations.back().loss;
        CHECK(after < 0.9 * result.evaluations.front().loss);
        const model_ptr model = load_model({ work.full.str(), 0 }, load_depth::weights, [](float) { return true; });
        const auto loaded =
            load_adapters(model.get(), { { result.path, 1 } }, "prefill", load_depth::weights, {}, [] { return true; });
        CHECK_EQUAL(loaded.size(), (size_t) 1);
        const adapter_facts facts = facts_of(loaded).at(0);
        CHECK(facts.rank == 4 && facts.alpha == 8);
        CHECK(result.n_file_bytes < std::filesystem::file_size(work.full.str()));
        if (f32_loss != 0) {
            CHECK_EQUAL(after, f32_loss);
            continue;
        }
        f32_loss = after;
        const double merged = work.loss_behind(work.merged(), work.student.str());
        std::printf("  %.4f to %.4f nats a token, merged %.4f\n", result.evaluations.front().loss, after, merged);
        CHECK(std::fabs(merged - after) < 1e-3 * after);
    }
    reader_training work;
    work.options.type = "q8_0";
    CHECK(CHECK_FAILURE(error_code::invalid_argument, work.run()).find("options.type") != std::string::npos);
}

TEST("both are trained together, each into its own file, and go further than the reader alone") {
    reader_training alone, work;
    work.train_both();
    const double of_reader = alone.run().evaluations.back().loss;
    const heal_result result = work.run();
    const double after = result.evaluations.back().loss;
    std::printf("  reader %.4f, both %.4f nats a token\n", of_reader, after);
    CHECK(after < of_reader);
    // The type is the writer's.
    reader_training typed;
    typed.train_both();
    typed.options.max_steps = 1;
    typed.options.type = "f16";
    CHECK(typed.run().n_reader_bytes == result.n_reader_bytes);
    CHECK_EQUAL(result.reader_path, work.options.reader_out_path);
    CHECK_EQUAL(result.n_reader_bytes, std::filesystem::file_size(result.reader_path));
    CHECK(std::fabs(work.loss_behind(work.merged(), result.path) - after) < 1e-2 * after);
}

TEST("a training of a reader or of both goes on as if it had not been stopped") {
    const auto with = [](const std::function<void(reader_training &)> & change, reader_training & work) {
        work.options.max_steps = 9;
        work.options.eval_interval = 3;
        work.options.patience = 20;
        work.options.limits.n_tokens = 48;
        work.options.sequences.random_cutoff = 0.3;
        change(work);
    };
    const std::vector<std::function<void(reader_training &)>> kinds = {
        [](reader_training &) {},
        [](reader_training & work) { work.options.reader_lora = {}; },
        [](reader_training & work) {
            work.options.distil = { 0.5f, 2 };
        },
        [](reader_training & work) { work.train_both(); },
    };
    for (const auto & kind : kinds) {
        reader_training whole;
        with(kind, whole);
        const heal_result expected = whole.run();
        for (const uint64_t step : { 1, 5, 8 }) {
            reader_training work;
            with(kind, work);
            work.stop_after(step);
            CHECK_FAILURE(error_code::aborted, work.run());
            work.stop = false;
            work.events = {};
            work.options.resume = true;
            work.options.n_threads = step == 5 ? 2 : 1;
            const heal_result result = work.run();
            CHECK_EQUAL(result.first_step, step);
            CHECK(result.losses == expected.losses);
            CHECK(work.trained() == whole.trained());
            if (work.options.side == train_side::both)
                CHECK(bytes_of(work.options.reader_out_path) == bytes_of(whole.options.reader_out_path));
        }
        // A checkpoint of the writer's training is of another run.
        reader_training other;
        with(kind, other);
        other.stop_after(2);
        CHECK_FAILURE(error_code::aborted, other.run());
        other.stop = false;
        other.options.resume = true;
        other.options.side = train_side::writer;
        other.options.reader_lora = {};
        other.options.reader_out_path = "";
        CHECK_FAILURE(error_code::checkpoint_invalid, other.run());
    }
}

TEST("distilled from itself, an untouched reader has nothing to learn before its own writer") {
    reader_training work;
    // The writer is the reader: its distribution behind its own cache is the teacher's, and so is the first token's.
    work.options.student = work.options.full;
    work.options.translator_path = "";
    work.options.max_steps = 1;
    work.options.eval_path = "";
    const auto norm_with = [&](float share) {
        double norm = -1;
        work.options.distil = { share, 2 };
        work.events.on_progress = [&](const heal_progress & progress) { norm = progress.gradient_norm; };
        work.run();
        return norm;
    };
    const double of_text = norm_with(0), of_itself = norm_with(1);
    std::printf("  gradient's norm: %.3f from the text, %.1e from itself\n", of_text, of_itself);
    CHECK(of_text > 0.1);
    CHECK(of_itself < 2e-3 * of_text);
}

TEST("maps between the two are applied, and trained where that is asked for") {
    double alone = 0;
    for (const bool train_maps : { false, true }) {
        maps_case work;  // heads of another size, another position encoding
        work.options.side = train_side::reader;
        work.options.reader_lora = { 4, 8, {} };
        work.options.train_translator = train_maps;
        work.options.max_steps = 30;
        const heal_result result = work.run();
        CHECK(result.evaluations.back().loss < result.evaluations.front().loss);
        const translator before = read_translator(work.options.translator_path),
                         after = read_translator(work.options.translator_out_path);
        CHECK_EQUAL(before.k[0]->weight == after.k[0]->weight, !train_maps);
        CHECK_EQUAL(after.target_fingerprint, before.target_fingerprint);
        if (train_maps) CHECK(result.evaluations.back().loss < alone);
        alone = result.evaluations.back().loss;
    }
}

TEST("what a training of the reader cannot be is refused before its first step") {
    const auto refused = [](const std::function<void(reader_training &)> & change, const std::string & expected,
                            error_code code = error_code::invalid_argument) {
        reader_training work;
        change(work);
        const std::string message = CHECK_FAILURE(code, work.run());
        CHECK(message.find(expected) != std::string::npos);
        CHECK(!work.has(work.options.out_path));
    };
    refused([](reader_training & work) { work.options.lora.rank = 4; }, "options.lora");
    refused([](reader_training & work) { work.options.freeze = { "*" }; }, "options.freeze");
    refused([](reader_training & work) { work.options.reader_out_path = work.folder.file("r.gguf"); },
            "options.readerOut");
    refused([](reader_training & work) { work.options.side = train_side::both; }, "options.readerOut");
    refused(
        [](reader_training & work) {
            work.options.side = train_side::writer;
            work.options.translator_path = "";
        },
        "options.readerLora");
    refused(
        [](reader_training & work) {
            work.options.sequences.mode = train_mode::sft;
            work.options.translator_path = "";
        },
        "options.train");
    refused([](reader_training & work) { work.options.reader_lora.targets = { "nothing*" }; }, "lora.targets");
    // Another position encoding, and no map that takes K without it.
    refused(
        [](reader_training & work) {
            const model_path other(maps_case::alike());
            put_bytes(work.folder.file("other.gguf"), bytes_of(other.str()));
            work.options.student.path = work.folder.file("other.gguf");
        },
        "encodes positions anew", error_code::operation_unsupported);
    refused([](reader_training & work) { work.use_layers({ 0 }); }, "", error_code::translator_mismatch);
}

TEST("an estimate trains nothing and writes nothing, and knows what the training will take") {
    for (const train_side side : { train_side::writer, train_side::reader, train_side::both }) {
        reader_training work;
        if (side == train_side::both) work.train_both();
        work.options.side = side;
        if (side == train_side::writer) work.options.reader_lora = {};
        work.options.log_path = work.folder.file("log.jsonl");
        const heal_estimate estimate = estimate_heal(work.options, work.events, work.stop);
        for (const std::string & path : { work.options.out_path, work.options.log_path, work.checkpoint() })
            CHECK(!work.has(path));
        const heal_result result = work.run();
        CHECK_EQUAL(estimate.n_parameters, result.n_parameters);
        CHECK_EQUAL(estimate.n_steps, result.n_steps);
        CHECK_EQUAL(estimate.optimiser_bytes, 12 * result.n_parameters);
        CHECK(estimate.weight_bytes > 0 && estimate.activation_bytes > 0);
        CHECK_EQUAL(estimate.full_bytes > 0, side == train_side::writer);
        CHECK(estimate.tokens_per_second > 0 && estimate.milliseconds_per_step > 0);
    }
    reader_training work;
    work.stop = true;
    CHECK_FAILURE(error_code::aborted, estimate_heal(work.options, work.events, work.stop));
}
