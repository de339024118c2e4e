#include "heal_output.h"

#include "adapter_export.h"
#include "failure.h"
#include "fingerprint.h"
#include "heal_checks.h"
#include "model_export.h"
#include "run_facts.h"
#include "translator_file.h"

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace overfill {

namespace {

ggml_type translator_type_of(const heal_options & options, const student_model & student) {
    if (options.translator_type == "f32") return GGML_TYPE_F32;
    if (options.translator_type == "f16") return GGML_TYPE_F16;
    if (options.translator_type == "q8_0") return GGML_TYPE_Q8_0;
    return student.weight_type();
}

// Beside a student, the type is the student's.
std::string adapter_type_of(const heal_options & options) {
    return options.side == train_side::both ? "same" : options.type;
}

// The translator's writer tells of its own parameter.
template <class F> auto with_option_named(F && work) {
    try {
        return work();
    } catch (const failure & error) {
        if (error.code() != error_code::invalid_argument) throw;
        throw failure(error.code(), std::string("options.translatorType: ") + error.what(),
                      { { "parameter", "options.translatorType" } });
    }
}

// The name by which a decode model's metadata can refer to the translator: it is looked for beside the model. Empty
// where it lies elsewhere.
std::string name_beside(const std::string & model, const std::string & translator) {
    namespace fs = std::filesystem;
    const auto folder = [](const fs::path & file) { return file.has_parent_path() ? file.parent_path() : "."; };
    const fs::path file = fs::u8path(translator);
    std::error_code error;
    const bool beside = fs::equivalent(folder(file), folder(fs::u8path(model)), error);
    return beside && !error ? file.filename().u8string() : "";
}

}  // namespace

void check_heal_output(const heal_options & options, const student_model & student) {
    if (options.side != train_side::reader) check_export(options.student.path, student.parameters(), options.type);
    if (const trained_reader * reader = student.reader()) {
        if (options.reader_lora.rank > 0)
            check_adapter_type(reader->parameters(), adapter_type_of(options));
        else
            check_export(options.full.path, reader->parameters(), options.type);
    }
    if (options.translator_out_path.empty()) return;
    const translator how = student.how();
    if (!how.has_maps() && how.layers.empty())
        throw failure(error_code::invalid_argument,
                      "options.translatorOut: the full model's cache is handed over without a translator",
                      { { "parameter", "options.translatorOut" } });
    const ggml_type type = translator_type_of(options, student);
    for (const auto * maps : { &how.k, &how.v })
        for (const auto & map : *maps)
            if (map) with_option_named([&] { check_weight_type(type, map->n_in); });
}

// Where nothing is written, the model is what it was.
static std::string fingerprint_of(const std::unique_ptr<atomic_file> & written, const std::string & otherwise) {
    return model_fingerprint(written ? written->temporary_name() : otherwise);
}

static std::unique_ptr<atomic_file> prepare_reader(const heal_options & options, const trained_reader & reader,
                                                   const std::vector<std::pair<std::string, std::string>> & notes,
                                                   const std::atomic<bool> & stop) {
    const std::string path = reader_out_of(options);
    if (options.reader_lora.rank > 0)
        return prepare_adapter(reader.parameters(), reader.shape().arch.name, adapter_type_of(options), notes, path);
    return prepare_export(options.full.path, reader.parameters(), options.type, notes, path, stop);
}

heal_output_sizes write_heal_output(const heal_options & options, const student_model & student, uint64_t n_steps,
                                    uint64_t n_tokens, const std::atomic<bool> & stop) {
    const std::string & translator_path = options.translator_out_path;
    std::vector<std::pair<std::string, std::string>> notes = { { "overfill.heal.mode",
                                                                 mode_name(options.sequences.mode) },
                                                               { "overfill.heal.steps", std::to_string(n_steps) },
                                                               { "overfill.heal.tokens", std::to_string(n_tokens) } };
    const bool writes_student = options.side != train_side::reader;
    std::unique_ptr<atomic_file> reader_file, student_file;
    if (student.reader()) reader_file = prepare_reader(options, *student.reader(), notes, stop);
    if (writes_student) {
        // What the student's metadata has named so far is no longer the translator for it.
        if (!translator_path.empty())
            notes.emplace_back("overfill.translator", name_beside(options.out_path, translator_path));
        student_file =
            prepare_export(options.student.path, student.parameters(), options.type, notes, options.out_path, stop);
    }
    heal_output_sizes sizes;
    for (const auto & [file, size] : { std::make_pair(&reader_file, &sizes.reader), { &student_file, &sizes.student } })
        if (*file) {
            (*file)->finish();
            *size = (*file)->n_bytes();
        }
    if (!translator_path.empty()) {
        translator how = student.how();
        // Of the models as they are now; what was measured was measured with others. An adapter changes no fingerprint.
        const bool whole_reader = reader_file && options.reader_lora.rank == 0;
        how.source_fingerprint = whole_reader ? fingerprint_of(reader_file, "") : model_fingerprint(options.full.path);
        how.target_fingerprint = fingerprint_of(student_file, options.student.path);
        how.error_k.clear();
        how.error_v.clear();
        how.loss = {};
        const auto translator_file = with_option_named(
            [&] { return prepare_translator(translator_path, how, translator_type_of(options, student)); });
        translator_file->finish();
        sizes.translator = translator_file->n_bytes();
        translator_file->commit();
    }
    for (const auto * file : { &reader_file, &student_file })
        if (*file) (*file)->commit();
    return sizes;
}

}  // namespace overfill
