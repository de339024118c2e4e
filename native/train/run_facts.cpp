#include "run_facts.h"

#include "fingerprint.h"
#include "word_hash.h"

#include <cstdio>
#include <filesystem>
#include <locale>
#include <sstream>

namespace overfill {

const char * mode_name(train_mode mode) {
    static const char * const names[] = { "overfill", "sft", "full" };
    return names[(size_t) mode];
}

static const char * side_name(train_side side) {
    static const char * const names[] = { "writer", "reader", "both" };
    return names[(size_t) side];
}

template <class T> static std::string text_of(const T & value) {
    std::ostringstream out;
    out.imbue(std::locale::classic());
    out.precision(17);
    out << value;
    return out.str();
}

static std::string size_of(const std::string & path) {
    if (path.empty()) return "none";
    std::error_code error;
    const auto n_bytes = std::filesystem::file_size(std::filesystem::u8path(path), error);
    return error ? "none" : text_of(n_bytes) + " bytes";
}

static std::string joined(const std::vector<std::string> & texts) {
    std::string out;
    for (const std::string & text : texts) out += (out.empty() ? "" : " ") + text;
    return out;
}

// Fine-tunes of one model have one fingerprint: their weights are what differs.
static std::string hash_of(const std::vector<ggml_tensor *> & tensors) {
    word_hash hash;
    std::vector<uint8_t> bytes;
    for (const ggml_tensor * tensor : tensors) {
        bytes.resize(ggml_nbytes(tensor));
        ggml_backend_tensor_get(tensor, bytes.data(), 0, bytes.size());
        hash.add(bytes.data(), bytes.size());
    }
    char digits[17];
    std::snprintf(digits, sizeof digits, "%016llx", (unsigned long long) hash.value());
    return digits;
}

run_facts facts_of(const heal_options & options, uint32_t context_size, const student_model & student) {
    run_facts facts;
    const parameter_set & parameters = student.parameters();
    const auto add = [&](const char * name, const auto & value) { facts.emplace_back(name, text_of(value)); };
    static const char * const schedules[] = { "constant", "linear", "cosine" };
    const sequence_options & sequences = options.sequences;
    add("mode", mode_name(sequences.mode));
    add("student", model_fingerprint(options.student.path) + " " + hash_of(parameters.all()));
    add("full", options.full.path.empty() ? std::string("none")
                                          : model_fingerprint(options.full.path) + " " + size_of(options.full.path));
    add("data", size_of(options.data_path));
    add("evalData", size_of(options.eval_path));
    add("translator", size_of(options.translator_path));
    add("trainTranslator", options.train_translator ? hash_of(parameters.added()) : std::string("no"));
    // Only where it says something: checkpoints of trainings that have no such side stay what they are.
    if (const trained_reader * reader = student.reader()) {
        add("train", side_name(options.side));
        add("full weights", hash_of(reader->parameters().all()));
        add("readerLora.rank", options.reader_lora.rank);
        add("readerLora.alpha", options.reader_lora.alpha);
        add("readerLora.targets", joined(options.reader_lora.targets));
    }
    add("device", ggml_backend_buft_name(ggml_backend_buffer_get_type(parameters.all().at(0)->buffer)));
    add("promptRatio", sequences.prompt_ratio);
    add("randomCutoff", sequences.random_cutoff);
    add("refreshInterval", sequences.refresh_interval);
    add("distillation.share", options.distil.share);
    add("distillation.temperature", options.distil.temperature);
    add("lora.rank", options.lora.rank);
    add("lora.alpha", options.lora.alpha);
    add("lora.targets", joined(options.lora.targets));
    add("freeze", joined(options.freeze));
    add("contextSize", context_size);
    add("batchSize", options.batch_size);
    add("microBatchTokens", options.limits.n_tokens);
    add("token bucket", options.limits.token_bucket);
    add("prefix bucket", options.limits.prefix_bucket);
    add("maxSteps", options.max_steps);
    if (options.max_steps == 0) add("epochs", options.epochs);
    add("learningRate", options.rate.peak);
    add("schedule", schedules[(size_t) options.rate.schedule]);
    add("warmUp", options.rate.warm_up);
    add("rateFloor", options.rate.floor);
    add("weightDecay", options.adam.decay);
    add("beta1", options.adam.beta1);
    add("beta2", options.adam.beta2);
    add("epsilon", options.adam.epsilon);
    add("clip", options.clip);
    add("seed", options.seed);
    add("shuffleWindow", options.shuffle_window);
    add("evalInterval", options.eval_interval);
    add("patience", options.patience);
    add("maxEvalExamples", options.max_eval_examples);
    return facts;
}

}  // namespace overfill
