#include "heal_checks.h"

#include "failure.h"
#include "output_paths.h"

#include <cmath>
#include <set>
#include <vector>

namespace overfill {

std::string checkpoint_path_of(const heal_options & options) {
    return options.checkpoint_path.empty() ? options.out_path + ".checkpoint" : options.checkpoint_path;
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
    if (options.context_size == 1) refuse("contextSize", "a single token has nothing to ask for");
    if (!options.eval_path.empty()) check_positive("maxEvalExamples", (double) options.max_eval_examples);
}

static void check_together(const heal_options & options) {
    const bool reads = options.sequences.mode == train_mode::overfill, distils = options.distil.share > 0;
    if ((reads || distils) && options.full.path.empty())
        refuse("full", reads ? "the mode overfill needs the model that reads the prompt"
                             : "distillation needs the model to distil from");
    if (options.patience > 0 && options.eval_path.empty())
        refuse("patience", "needs data to evaluate on (options.evalData)");
}

static void check_files(const heal_options & options) {
    std::vector<std::string> taken = { options.student.path, options.full.path, options.data_path, options.eval_path,
                                       options.translator_path };
    const auto check_file = [&](const char * name, const std::string & path) {
        check_output(name, path, taken);
        taken.push_back(path);
    };
    if (options.out_path.empty()) refuse("out", "expected a path");
    check_file("out", options.out_path);
    check_file("checkpoint", checkpoint_path_of(options));
    if (!options.log_path.empty()) check_file("log", options.log_path);
}

static const std::set<std::string> & output_types() {
    static const std::set<std::string> types = { "same", "f32", "f16", "bf16", "q8_0" };
    return types;
}

void check_heal_options(const heal_options & options) {
    if (!output_types().count(options.type))
        refuse("type", "expected same, f32, f16, bf16 or q8_0, got " + options.type);
    check_values(options);
    check_together(options);
    check_files(options);
}

}  // namespace overfill
