// Trainings with a translator: its linear maps trained with the student, and both written for each other.
#include "check.h"
#include "example_stream.h"
#include "fingerprint.h"
#include "gguf_metadata.h"
#include "heal_case.h"
#include "map_case.h"
#include "token_reader.h"
#include "translate_handover.h"
#include "translator_file.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

using namespace overfill;
using namespace overfill::test;

namespace {

const std::atomic<bool> never{ false };

// A full model of three layers, a student of two with heads of another size, and maps between them.
struct maps_case : heal_case {
    explicit maps_case(const map_kind & kind = map_kinds()[0]) : maps_case(kind, narrow()) {}
    maps_case(const map_kind & kind, const tiny_model & shape) : full(full_shape()), student(shape) {
        translator how = random_translator(kind, shape.n_layer, 32, shape.n_head_kv * shape.head_size, random);
        how.layers = { 0, 2 };
        how.source_fingerprint = model_fingerprint(full.str());
        how.target_fingerprint = model_fingerprint(student.str());
        how.source_name = "full";
        how.error_k = how.error_v = { 0.25f, 0.5f };
        how.loss.mapped = 2;
        how.n_fit_tokens = 1000;
        options.full = { full.str(), 0 };
        options.student = { student.str(), 0 };
        options.sequences.mode = train_mode::overfill;
        options.translator_path = folder.file("translator.gguf");
        options.translator_out_path = folder.file("trained.gguf");
        options.train_translator = true;
        options.eval_path = folder.file("eval.jsonl");
        options.adam.decay = 0;
        write_translator(options.translator_path, how, GGML_TYPE_F32);
        std::string lines;
        for (int i = 0; i < 8; i++)
            lines += "{\"prompt\":\"question " + std::to_string(i * 7919) + "\",\"response\":\"answer " +
                     std::to_string(i * 104729) + "\"}\n";
        put_bytes(options.data_path, lines);
        put_bytes(options.eval_path, lines);
    }
    static tiny_model full_shape() {
        tiny_model shape = all_variants()[0].base;
        shape.n_layer = 3;
        return shape;
    }
    static tiny_model narrow() {
        tiny_model shape = all_variants()[0].base;
        shape.seed = 2;
        shape.n_head_kv = 1;
        shape.head_size = 8;
        shape.rope_base = 500;
        return shape;
    }
    static tiny_model alike() {
        tiny_model shape = narrow();
        shape.n_head_kv = 2;
        shape.head_size = 16;
        return shape;
    }
    std::string trained_maps() const { return bytes_of(options.translator_out_path); }
    // What a training of the written student begins with; an empty path: by the translator that its metadata names.
    double loss_of_written(const std::string & translator_path) const {
        heal_case other;
        other.options = options;
        other.options.student.path = options.out_path;
        other.options.translator_path = translator_path;
        other.options.train_translator = false;
        other.options.translator_out_path = "";
        other.options.out_path = other.folder.file("again.gguf");
        other.options.checkpoint_path = "";
        other.options.resume = false;
        other.options.max_steps = 1;
        other.options.rate.peak = 1e-9;
        other.options.freeze = {};
        other.options.lora = {};
        other.options.patience = 0;
        return other.run().evaluations[0].loss;
    }

    std::mt19937 random{ 11 };
    model_path full, student;
};

// The loss of a pair of contexts, by llama.cpp and the translate handover, over the file that trainings evaluate on.
double loss_of_pair(const heal_options & options, const std::string & decode_path, const translator & how) {
    const auto load = [](const std::string & path) {
        return load_model({ path, 0 }, load_depth::weights, [](float) { return true; });
    };
    const model_ptr prefill = load(options.full.path), decode = load(decode_path);
    token_reader from(prefill.get(), 64, 1, never, { 64, false }), to(decode.get(), 64, 1, never, { 64, false });
    translate_handover handover(from.context(), to.context(), resolve_translation(from.context(), to.context(), how),
                                implementation_options{ implementation_choice::automatic, 1, "" });
    example_stream lines({ options.eval_path, 64, 1, options.seed }, decode.get(), options.sequences, 0, nullptr);
    double sum = 0;
    uint32_t n = 0;
    for (example_sequences drawn = lines.next(); drawn.epoch == 0; drawn = lines.next())
        for (const train_sequence & sequence : drawn.sequences) {
            CHECK_EQUAL(sequence.first_target, 0u);
            from.clear();
            to.clear();
            from.read(sequence.prefix.data(), (uint32_t) sequence.prefix.size(), 0);
            handover.run(0);
            sum += to.read_and_score(sequence.tokens.data(), (uint32_t) sequence.tokens.size(),
                                     (llama_pos) sequence.prefix.size());
            n += sequence.n_targets();
        }
    CHECK(n > 50);
    return sum / n;
}

}  // namespace

TEST("with maps to be trained a training begins where it begins with the same maps as constants") {
    for (const map_kind & kind : map_kinds()) {
        // A side without a map is handed over as it is, but for RoPE.
        const bool partly = kind.only_k || kind.only_v;
        maps_case work(kind, partly ? maps_case::alike() : maps_case::narrow());
        work.options.max_steps = 1;
        const double trained = work.run().evaluations[0].loss;
        const double pair =
            loss_of_pair(work.options, work.student.str(), read_translator(work.options.translator_path));
        work.options.train_translator = false;
        const double constant = work.run().evaluations[0].loss;
        std::printf("  %s: %.6f, %.6f, a pair %.6f\n", kind.title, trained, constant, pair);
        CHECK(std::fabs(trained - constant) < 1e-5);
        CHECK(std::fabs(trained - pair) < 1e-4);
    }
}

TEST("so it is with other kinds of RoPE, a sliding window and fused weights") {
    for (const size_t i : { 1, 2, 3, 7, 9, 11 }) {
        variant v = all_variants()[i];
        if (!known(v)) continue;
        const variant_file full(v);
        v.base.seed = 9;
        const variant_file student(v);
        const uint32_t n = v.base.n_head_kv * v.base.head_size;
        for (const bool before_rope : { true, false }) {
            maps_case work;
            translator how = random_translator({ "", before_rope }, v.base.n_layer, n, n, work.random);
            write_translator(work.options.translator_path, how, GGML_TYPE_F32);
            work.options.full = { full.str(), 0 };
            work.options.student = { student.str(), 0 };
            work.options.max_steps = 1;
            const double trained = work.run().evaluations[0].loss;
            work.options.train_translator = false;
            const double constant = work.run().evaluations[0].loss;
            std::printf("  %s, %s: %.6f, %.6f\n", v.title, before_rope ? "before" : "behind", trained, constant);
            CHECK(std::fabs(trained - constant) < 1e-5 * constant);
        }
    }
}

TEST("a pair of what was written has the loss of the last evaluation, whatever else was trained") {
    for (const map_kind & kind : map_kinds())
        for (const char * what : { "all", "maps", "factors" }) {
            const bool partly = kind.only_k || kind.only_v;
            maps_case work(kind, partly ? maps_case::alike() : maps_case::narrow());
            work.options.max_steps = 30;
            if (what == std::string("maps")) work.options.freeze = { "*" };
            if (what == std::string("factors")) work.options.lora.rank = 2;
            const heal_result result = work.run();
            const double first = result.evaluations.front().loss, last = result.evaluations.back().loss;
            const translator trained = read_translator(work.options.translator_out_path);
            const double pair = loss_of_pair(work.options, work.options.out_path, trained);
            const double by_name = work.loss_of_written(""),
                         by_path = work.loss_of_written(work.options.translator_out_path);
            std::printf("  %s, %s: %.4f to %.6f, the pair %.6f\n", kind.title, what, first, last, pair);
            CHECK(last < first - 0.1);
            CHECK(std::fabs(pair - last) < 1e-4);
            CHECK(std::fabs(by_path - last) < 1e-5);
            CHECK_EQUAL(by_name, by_path);

            // The file is as the one before, but for what training changes.
            const translator before = read_translator(work.options.translator_path);
            CHECK(trained.before_rope == kind.before_rope && trained.layers == before.layers);
            CHECK_EQUAL(trained.source_fingerprint, before.source_fingerprint);
            CHECK_EQUAL(trained.target_fingerprint, model_fingerprint(work.options.out_path));
            CHECK_EQUAL(trained.source_name, std::string("full"));
            CHECK_EQUAL(trained.n_fit_tokens, 1000u);
            CHECK(trained.error_k.empty() && trained.error_v.empty() && trained.loss.mapped == 0);
            CHECK_EQUAL(trained.k.size(), before.k.size());
            CHECK_EQUAL(trained.v.size(), before.v.size());
            if (kind.common) CHECK(trained.k[0] == trained.v[0]);
            for (size_t il = 0; il < 2; il++) {
                if (!kind.only_v) CHECK(trained.k[il]->weight != before.k[il]->weight);
                if (!kind.only_k) CHECK(trained.v[il]->weight != before.v[il]->weight);
                if (!kind.only_v) CHECK_EQUAL(trained.k[il]->bias == before.k[il]->bias, !kind.biases);
            }
            CHECK_EQUAL(result.translator_path, work.options.translator_out_path);
            CHECK_EQUAL(result.n_translator_bytes, std::filesystem::file_size(result.translator_path));
            if (what == std::string("maps")) CHECK(weights_of(work.options.out_path) == weights_of(work.student.str()));
            CHECK(!work.has(work.checkpoint()));
        }
}

TEST("an interrupted training of maps is resumed without another bit, of another one refused") {
    for (const uint32_t patience : { 0u, 50u }) {
        const auto prepare = [&](maps_case & work) {
            work.options.max_steps = 24;
            work.options.sequences.random_cutoff = 0.4;
            work.options.eval_interval = 3;
            work.options.patience = patience;
        };
        maps_case whole;
        prepare(whole);
        const heal_result expected = whole.run();

        maps_case work;
        prepare(work);
        work.stop_after(10);
        CHECK_FAILURE(error_code::aborted, work.run());
        CHECK(!work.has(work.options.out_path));
        CHECK(!work.has(work.options.translator_out_path));
        work.stop = false;
        work.events = {};
        work.options.resume = true;
        // Of a training that is another one.
        work.options.train_translator = false;
        CHECK(CHECK_FAILURE(error_code::checkpoint_invalid, work.run()).find("trainTranslator") != std::string::npos);
        work.options.train_translator = true;
        const std::string maps = bytes_of(work.options.translator_path);
        translator other = read_translator(work.options.translator_path);
        auto changed = std::make_shared<linear_map>(*other.k[1]);
        changed->weight[5] += 1;
        other.k[1] = changed;
        write_translator(work.options.translator_path, other, GGML_TYPE_F32);
        CHECK(CHECK_FAILURE(error_code::checkpoint_invalid, work.run()).find("trainTranslator") != std::string::npos);
        put_bytes(work.options.translator_path, maps);

        const heal_result result = work.run();
        CHECK_EQUAL(result.first_step, 10u);
        CHECK(result.losses == expected.losses);
        CHECK(work.trained() == whole.trained());
        CHECK(work.trained_maps() == whole.trained_maps());
    }
}

TEST("with patience the maps of the best evaluation are written") {
    maps_case work;
    work.options.freeze = { "*" };
    work.options.eval_interval = 2;
    work.options.patience = 2;
    work.options.max_steps = 400;
    work.options.rate = { 0.3, rate_schedule::constant, 0, 0 };
    const heal_result result = work.run();
    CHECK(result.reason == heal_end::patience);
    const auto less = [](const evaluation & a, const evaluation & b) { return a.loss < b.loss; };
    const auto best = std::min_element(result.evaluations.begin(), result.evaluations.end(), less);
    CHECK(best->loss < result.evaluations.back().loss);
    std::printf("  best %.4f at step %d of %d\n", best->loss, (int) best->step, (int) result.n_steps);
    CHECK(std::fabs(work.loss_of_written(work.options.translator_out_path) - best->loss) < 1e-5);
}

TEST("maps are written in the type that they had, or in the one that is asked for") {
    for (const auto & [before, asked, expected] :
         std::vector<std::tuple<ggml_type, const char *, ggml_type>>{ { GGML_TYPE_F16, "same", GGML_TYPE_F16 },
                                                                      { GGML_TYPE_Q8_0, "same", GGML_TYPE_Q8_0 },
                                                                      { GGML_TYPE_F32, "f16", GGML_TYPE_F16 },
                                                                      { GGML_TYPE_F32, "q8_0", GGML_TYPE_Q8_0 },
                                                                      { GGML_TYPE_Q8_0, "f32", GGML_TYPE_F32 } }) {
        maps_case work;
        write_translator(work.options.translator_path, read_translator(work.options.translator_path), before);
        work.options.translator_type = asked;
        work.options.max_steps = 3;
        const double last = work.run().evaluations.back().loss;
        translator_file_info info;
        read_translator(work.options.translator_out_path, &info);
        CHECK_EQUAL((int) info.weight_type, (int) expected);
        CHECK(std::fabs(work.loss_of_written("") - last) < (expected == GGML_TYPE_F32 ? 1e-5 : 3e-2));
    }
}

TEST("a translator that is not trained can be written for the student that is") {
    maps_case work;
    work.options.train_translator = false;
    const double last = work.run().evaluations.back().loss;
    const translator before = read_translator(work.options.translator_path),
                     after = read_translator(work.options.translator_out_path);
    for (size_t il = 0; il < 2; il++) CHECK(before.k[il]->weight == after.k[il]->weight);
    CHECK(std::fabs(work.loss_of_written("") - last) < 1e-5);
    // Training has changed the norms, and with them what a model is told by.
    CHECK_FAILURE(error_code::translator_mismatch, work.loss_of_written(work.options.translator_path));

    // A layer map is a translator too.
    maps_case layers;
    translator map;
    map.layers = { 0, 2 };
    write_translator(layers.options.translator_path, map, GGML_TYPE_F32);
    const model_path alike(maps_case::alike());
    layers.options.student = { alike.str(), 0 };
    layers.options.train_translator = false;
    layers.run();
    const translator written = read_translator(layers.options.translator_out_path);
    CHECK(written.layers == map.layers && !written.has_maps());
    CHECK_EQUAL(written.target_fingerprint, model_fingerprint(layers.options.out_path));
}

TEST("the model's metadata names the translator beside it, and none that lies elsewhere") {
    maps_case work;
    work.options.max_steps = 1;
    const auto named = [](const std::string & path) { return gguf_metadata(path).text("overfill.translator"); };
    work.run();
    CHECK(named(work.options.out_path) == std::string("trained.gguf"));

    // From a student whose metadata names its translator: both are written anew, in another folder or in two.
    maps_case next;
    next.options.student.path = work.options.out_path;
    next.options.full = work.options.full;
    next.options.translator_path = "";
    next.options.max_steps = 20;
    const double last = next.run().evaluations.back().loss;
    CHECK(std::fabs(next.loss_of_written("") - last) < 1e-5);

    next.options.translator_out_path = work.folder.file("elsewhere.gguf");
    next.run();
    CHECK(!named(next.options.out_path));
    CHECK(std::fabs(next.loss_of_written(next.options.translator_out_path) - last) < 1e-5);
    // The student's own translator file stays as it is.
    for (std::string heal_options::*path : { &heal_options::out_path, &heal_options::translator_out_path,
                                             &heal_options::checkpoint_path, &heal_options::log_path }) {
        maps_case other;
        other.options.student = next.options.student;
        other.options.full = next.options.full;
        other.options.translator_path = "";
        other.options.*path = work.options.translator_out_path;
        CHECK_FAILURE(error_code::invalid_argument, other.run());
    }
}

TEST("without maps, a place or the mode for it, training maps is refused first") {
    const auto refused = [&](const std::function<void(maps_case &)> & change, const char * parameter,
                             error_code code = error_code::invalid_argument) {
        maps_case work;
        change(work);
        uint64_t n_steps = 0;
        work.events.on_progress = [&](const heal_progress & progress) { n_steps = std::max(n_steps, progress.step); };
        CHECK(CHECK_FAILURE(code, work.run()).find(parameter) != std::string::npos);
        CHECK_EQUAL(n_steps, 0u);
        CHECK(!work.has(work.folder.file("out.gguf")));
    };
    const auto with_layers_only = [](maps_case & work) {
        translator map;
        map.layers = { 0, 2 };
        write_translator(work.options.translator_path, map, GGML_TYPE_F32);
        tiny_model same = maps_case::full_shape();
        same.n_layer = 2;
        put_bytes(work.folder.file("two.gguf"), bytes_of(model_path(same).str()));
        work.options.student.path = work.folder.file("two.gguf");
    };
    refused(with_layers_only, "options.trainTranslator");
    refused(
        [](maps_case & work) {
            work.options.student = work.options.full;
            work.options.translator_path = "";
        },
        "options.trainTranslator");
    refused(
        [](maps_case & work) {
            work.options.student = work.options.full;
            work.options.translator_path = "";
            work.options.train_translator = false;
        },
        "options.translatorOut");
    refused([](maps_case & work) { work.options.translator_out_path = ""; }, "options.translatorOut");
    for (const train_mode mode : { train_mode::sft, train_mode::full }) {
        refused([&](maps_case & work) { work.options.sequences.mode = mode; }, "options.trainTranslator");
        refused(
            [&](maps_case & work) {
                work.options.sequences.mode = mode;
                work.options.train_translator = false;
            },
            "options.translatorOut");
    }
    for (std::string heal_options::*path : { &heal_options::translator_path, &heal_options::data_path,
                                             &heal_options::eval_path, &heal_options::out_path })
        refused([&](maps_case & work) { work.options.translator_out_path = work.options.*path; },
                "options.translatorOut");
    refused([](maps_case & work) { work.options.translator_out_path = work.options.full.path; },
            "options.translatorOut");
    refused([](maps_case & work) { work.options.translator_out_path = work.options.student.path; },
            "options.translatorOut");
    refused([](maps_case & work) { work.options.checkpoint_path = work.options.translator_out_path; },
            "options.checkpoint");
    refused([](maps_case & work) { work.options.translator_out_path = work.folder.file("none/t.gguf"); }, "none",
            error_code::file_write_failed);
    refused([](maps_case & work) { work.options.translator_type = "q4_0"; }, "options.translatorType");
    // Rows of 24 values make no block of q8_0.
    refused(
        [](maps_case & work) {
            tiny_model shape = maps_case::full_shape();
            shape.head_size = 12;
            put_bytes(work.folder.file("odd.gguf"), bytes_of(model_path(shape).str()));
            work.options.full.path = work.folder.file("odd.gguf");
            translator how = random_translator(map_kinds()[0], 2, 24, 8, work.random);
            how.layers = { 0, 2 };
            write_translator(work.options.translator_path, how, GGML_TYPE_F32);
            work.options.translator_type = "q8_0";
        },
        "options.translatorType");
}

TEST("a translator that cannot be written keeps the model from being written, and the checkpoint stays") {
    maps_case work;
    work.options.max_steps = 2;
    translator how = read_translator(work.options.translator_path);
    auto large = std::make_shared<linear_map>(*how.v[0]);
    // Too large for f16; its bias keeps what the student reads small.
    large->weight.assign(large->weight.size(), 0);
    large->weight[0] = 1e5f;
    how.v[0] = large;
    write_translator(work.options.translator_path, how, GGML_TYPE_F32);
    work.options.translator_type = "f16";
    put_bytes(work.options.translator_out_path, "as it was");
    CHECK(CHECK_FAILURE(error_code::invalid_argument, work.run()).find("options.translatorType") != std::string::npos);
    CHECK(!work.has(work.options.out_path));
    CHECK(work.trained_maps() == "as it was");
    CHECK(work.has(work.checkpoint()));
    // With another type the same training ends as it should, without a step more.
    work.options.translator_type = "f32";
    work.options.resume = true;
    CHECK_EQUAL(work.run().first_step, 2u);
    CHECK(work.has(work.options.out_path) && !work.has(work.checkpoint()));
    CHECK_EQUAL(work.folder.n_files(), (size_t) 5);  // data, held-out data, translator, model, trained translator
}
