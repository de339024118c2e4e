#include "heal_checks.h"

#include "failure.h"
#include "find_translator.h"
#include "output_paths.h"

#include <cmath>
#include <set>
#include <vector>

namespace overfill {

std::string checkpoint_path_of(const heal_options & options) {
    return options.checkpoint_path.empty() ? options.out_path + ".checkpoint" : options.checkpoint_path;
}

std::string reader_out_of(const heal_options & options) {
    if (options.side == train_side::writer) return "";
    return options.side == train_side::both ? options.reader_out_path : options.out_path;
}

[[noreturn]] static void refuse(const std::string & option, const std::string & why) {
    const std::string parameter = "options." + option;
    throw failure(error_code::invalid_argument, parameter + ": " + why, { { "parameter", parameter } });
}

static void check_values(const heal_options & options) {
    const auto check_range = [](const char * name, double value, double least, double most) {
        if (!(value >= least && value <= most))
            refuse(name, "expected " + std::to_string(least) + " to " + std::to_string(most) + ", got " +
                             std::to_string(value));
    };
    const auto check_positive = [](const char * name, double value) {
        if (!(value > 0 && std::isfinite(value))) refuse(name, "expected more than 0, got " + std::to_string(value));
    };
    check_range("promptRatio", options.sequences.prompt_ratio, 0, 1);
    check_range("randomCutoff", options.sequences.random_cutoff, 0, 1);
    check_range("distillation.share", options.distil.share, 0, 1);
    check_positive("distillation.temperature", options.distil.temperature);
    check_positive("batchSize", options.batch_size);
    check_positive("microBatchTokens", options.limits.n_tokens);
    check_positive("tokenBucket", options.limits.token_bucket);
    check_positive("prefixBucket", options.limits.prefix_bucket);
    if (options.max_steps == 0) check_positive("epochs", options.epochs);
    check_positive("learningRate", options.rate.peak);
    check_range("warmUp", options.rate.warm_up, 0, 1);
    check_range("rateFloor", options.rate.floor, 0, 1);
    check_range("weightDecay", options.adam.decay, 0, 1);
    check_range("beta1", options.adam.beta1, 0, std::nextafter(1.0, 0.0));
    check_range("beta2", options.adam.beta2, 0, std::nextafter(1.0, 0.0));
    check_positive("epsilon", options.adam.epsilon);
    check_range("clip", options.clip, 0, 1e30);
    check_positive("shuffleWindow", (double) options.shuffle_window);
    check_positive("threads", options.n_threads);
    if (options.context_size == 1) refuse("contextSize", "a single token leaves nothing to predict");
    if (!options.eval_path.empty()) check_positive("maxEvalExamples", (double) options.max_eval_examples);
}

static void check_together(const heal_options & options) {
    const bool reads = options.sequences.mode == train_mode::overfill, distils = options.distil.share > 0;
    if ((reads || distils) && options.full.path.empty())
        refuse("full", reads ? "the mode overfill needs the model that reads the prompt"
                             : "distillation needs the model to distil from");
    const bool writes_translator = !options.translator_out_path.empty();
    if (options.train_translator && !reads) refuse("trainTranslator", "needs the mode overfill");
    if (options.train_translator && !writes_translator)
        refuse("trainTranslator", "needs a file to write the translator to (options.translatorOut)");
    if (writes_translator && !reads) refuse("translatorOut", "needs the mode overfill");
    if (options.side != train_side::writer && !reads) refuse("train", "only the mode overfill has a reader");
    if (options.side == train_side::reader && (options.lora.rank > 0 || !options.freeze.empty()))
        refuse(options.lora.rank > 0 ? "lora" : "freeze", "is about the student, which is not trained");
    if (options.side == train_side::writer && options.reader_lora.rank > 0)
        refuse("readerLora", "is about the full model, which is not trained");
    if ((options.side == train_side::both) != !options.reader_out_path.empty())
        refuse("readerOut", "is where the full model goes if both are trained");
    if (options.patience > 0 && options.eval_path.empty())
        refuse("patience", "needs data to evaluate on (options.evalData)");
}

// Calls use(name, path, whether it is a text) for each file that is written.
template <class F> static void each_output(const heal_options & options, F && use) {
    use("out", options.out_path, false);
    if (!options.reader_out_path.empty()) use("readerOut", options.reader_out_path, false);
    if (!options.translator_out_path.empty()) use("translatorOut", options.translator_out_path, false);
    use("checkpoint", checkpoint_path_of(options), false);
    if (!options.log_path.empty()) use("log", options.log_path, true);
}

static void check_files(const heal_options & options) {
    std::vector<std::string> taken = { options.student.path, options.full.path, options.data_path, options.eval_path,
                                       options.translator_path };
    if (options.out_path.empty()) refuse("out", "expected a path");
    each_output(options, [&](const char * name, const std::string & path, bool is_text) {
        check_output(name, path, taken, is_text);
        taken.push_back(path);
    });
}

void check_named_translator(const heal_options & options) {
    if (options.sequences.mode != train_mode::overfill || !options.translator_path.empty()) return;
    const std::string named = translator_named_by(options.student.path);
    each_output(options, [&](const char * name, const std::string & path, bool is_text) {
        check_output(name, path, { named }, is_text);
    });
}

static const std::set<std::string> & output_types() {
    static const std::set<std::string> types = { "same", "f32", "f16", "bf16", "q8_0" };
    return types;
}

void check_heal_options(const heal_options & options) {
    if (!output_types().count(options.type))
        refuse("type", "expected same, f32, f16, bf16 or q8_0, got " + options.type);
    if (options.translator_type != "same" && options.translator_type != "f32" && options.translator_type != "f16" &&
        options.translator_type != "q8_0")
        refuse("translatorType", "expected same, f32, f16 or q8_0, got " + options.translator_type);
    check_values(options);
    check_together(options);
    check_files(options);
}

}  // namespace overfill
