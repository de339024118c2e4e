// The files of trainings with a translator: what is written, under which names, and what is refused.
#include "check.h"
#include "fingerprint.h"
#include "gguf_metadata.h"
#include "maps_case.h"
#include "translator_file.h"

#include <algorithm>
#include <cmath>
#include <tuple>

using namespace overfill;
using namespace overfill::test;

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
