// A tiny model of every architecture that llama.cpp can make one of (llama/generator), quantised without and with an
// importance matrix that was measured on it: the files are llama.cpp's.
//
//   OVERFILL_TEST_ARCHITECTURES  the folder of the models
//   OVERFILL_TEST_ARCHITECTURE   only the files whose names begin like this
#include "calibration_driver.h"
#include "check.h"
#include "generated_models.h"
#include "isolated.h"
#include "measure_matrix.h"
#include "quantize_reference.h"
#include "temp_folder.h"

#include <cstdio>
#include <filesystem>

using namespace overfill;
using namespace overfill::test;

namespace {

constexpr unsigned n_seconds = 300;  // for one model, under a sanitizer

// What differs, or nothing.
std::string compare(const std::string & model, const std::string & type, const std::string & matrix,
                    const temp_folder & folder) {
    quantize_options options;
    options.model_path = model;
    options.type = type;
    options.importance_path = matrix;
    options.out_path = folder.file("ours.gguf");
    const bool made = reference_quantize(options, folder.file("theirs.gguf"));
    try {
        quantize_now(options);
    } catch (const failure & error) {
        return made ? type + ": " + error.what() + "; " : "";
    }
    if (!made) return type + " is made, and llama.cpp refuses it; ";
    return bytes_of(options.out_path) == bytes_of(folder.file("theirs.gguf")) ? "" : type + " differs; ";
}

// Two words: what was measured, and what differs.
std::string outcome(const std::string & model, const std::string & text) {
    const temp_folder folder;
    matrix_options options;
    options.model.path = model;
    options.text_paths = { text };
    options.out_path = folder.file("m.gguf");
    options.window = 32;
    std::string measured = "measured", matrix = options.out_path;
    try {
        measure_importance_matrix(
            options, [](const quantize_progress &) {}, never);
    } catch (const failure & error) {
        measured = error_code_name(error.code());
        matrix = "";
    }
    std::string differs;
    // None of the types that search a grid: its tables take longer than all of a tiny model.
    for (const char * type : { "q4_k_m", "mxfp4_moe" }) differs += compare(model, type, "", folder);
    if (!matrix.empty()) differs += compare(model, "q4_0", matrix, folder);
    return measured + " " + differs;
}

}  // namespace

TEST("a model of every architecture is quantised as llama.cpp does it") {
    const std::vector<std::string> models = generated_models();
    if (models.empty()) {
        std::printf("  skipped: OVERFILL_TEST_ARCHITECTURES names no folder with models\n");
        return;
    }
    const text_file text(some_text(400));
    const std::vector<isolated_result> results = run_isolated(
        models.size(), [&](size_t i) { return outcome(models[i], text.path); }, n_seconds);
    size_t n_measured = 0;
    for (size_t i = 0; i < models.size(); i++) {
        const std::string name = std::filesystem::path(models[i]).filename().string();
        const size_t space = results[i].text.find(' ');
        const std::string measured = results[i].text.substr(0, space);
        n_measured += measured == "measured";
        const std::string differs = space == std::string::npos ? results[i].text : results[i].text.substr(space + 1);
        report(results[i].ended.empty() && differs.empty(), __FILE__, __LINE__,
               name + ": " + differs + results[i].ended);
        if (measured != "measured") std::printf("  %s: no importance matrix, %s\n", name.c_str(), measured.c_str());
    }
    std::printf("  %zu models, of which %zu were measured\n", models.size(), n_measured);
}
