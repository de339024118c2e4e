#include "heal.h"

#include "clock.h"
#include "failure.h"
#include "heal_checks.h"
#include "heal_output.h"
#include "training_loop.h"

#include <llama.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

namespace overfill {

static constexpr uint32_t default_context = 2048;

static uint32_t context_of(const heal_options & options, const llama_model * model) {
    if (options.context_size > 0) return options.context_size;
    return std::max<uint32_t>(2, std::min<uint32_t>(default_context, (uint32_t) llama_model_n_ctx_train(model)));
}

static uint64_t n_steps_of(const heal_options & options, const source_options & source, const llama_model * model,
                           const std::atomic<bool> & stop) {
    if (options.max_steps > 0) return options.max_steps;
    const double n_examples = options.epochs * (double) count_examples(source, model, stop);
    return std::max<uint64_t>(1, (uint64_t) std::ceil(n_examples / options.batch_size));
}

static std::optional<evaluation_set> held_out_of(const heal_options & options, uint32_t context_size,
                                                 const llama_model * model,
                                                 const example_stream::report & on_bad_line) {
    if (options.eval_path.empty()) return std::nullopt;
    const source_options source{ options.eval_path, context_size, /*window*/ 1, options.seed };
    return evaluation_set(source, model, options.sequences, options.max_bad_lines, options.max_eval_examples,
                          on_bad_line);
}

// Where a run begins: at a checkpoint, or at the student as it is.
static training_state first_state(const heal_options & options, const run_facts & facts, const std::string & checkpoint,
                                  student_model & student, example_stream & data,
                                  std::vector<std::vector<float>> & best) {
    std::error_code error;
    training_state state;
    state.data = data.state();
    if (!options.resume || !std::filesystem::exists(std::filesystem::u8path(checkpoint), error)) return state;
    state = read_checkpoint(checkpoint, facts, { student.parameters(), student.optimiser(), best });
    try {
        data.resume(state.data);
    } catch (const failure & problem) {
        if (problem.code() != error_code::data_invalid) throw;
        throw failure(error_code::checkpoint_invalid,
                      checkpoint + " belongs to another training run: " + problem.what(),
                      { { "path", checkpoint }, { "fact", "data" } });
    }
    return state;
}

heal_result heal(const heal_options & options, const heal_events & events, const std::atomic<bool> & stop) {
    const stopwatch watch;
    const auto tell = [&](const heal_progress & progress) {
        if (events.on_progress) events.on_progress(progress);
    };
    check_heal_options(options);
    tell({ heal_stage::loading });

    // For its vocabulary and its chat template.
    const model_ptr model = load_model({ options.student.path, 0 }, load_depth::metadata, [&](float) { return !stop; });
    check_named_translator(options);
    const uint32_t context_size = context_of(options, model.get());
    const source_options source{ options.data_path, context_size, options.shuffle_window, options.seed };
    example_stream data(source, model.get(), options.sequences, options.max_bad_lines, events.on_bad_line);
    const auto held_out = held_out_of(options, context_size, model.get(), events.on_bad_line);
    const uint64_t n_steps = n_steps_of(options, source, model.get(), stop);

    student_model student(options, llama_model_get_vocab(model.get()), context_size, stop);
    check_heal_output(options, student);
    const run_facts facts = facts_of(options, context_size, student.parameters());
    const std::string checkpoint = checkpoint_path_of(options);
    std::vector<std::vector<float>> best;
    training_state begin = first_state(options, facts, checkpoint, student, data, best);
    const uint64_t first_step = begin.n_steps;
    training_log log(options.log_path, begin.log_bytes);
    begin.log_bytes = log.n_bytes();
    training_loop loop(options, events,
                       { student, data, held_out ? &*held_out : nullptr, log, facts, checkpoint, n_steps },
                       std::move(begin), std::move(best));
    tell(loop.progress(heal_stage::loading, 1));
    heal_result result;
    result.reason = loop.run(stop);
    const training_state & state = loop.state();

    tell(loop.progress(heal_stage::writing, 0));
    student.parameters().merge_factors();
    const heal_output_sizes written = write_heal_output(options, student, state.n_steps, state.n_tokens, stop);
    // The model is there: the checkpoint has done its work. One that cannot be removed is no reason to fail.
    std::error_code error;
    std::filesystem::remove(std::filesystem::u8path(checkpoint), error);
    tell(loop.progress(heal_stage::writing, 1));

    result.path = options.out_path;
    result.n_file_bytes = written.model;
    result.translator_path = options.translator_out_path;
    result.n_translator_bytes = written.translator;
    result.n_steps = state.n_steps;
    result.first_step = first_step;
    result.n_examples = state.n_examples;
    result.n_tokens = state.n_tokens;
    result.n_parameters = student.parameters().n_trained();
    result.losses = state.losses;
    result.evaluations = state.evaluations;
    if (held_out) result.bad_lines = held_out->bad_lines();
    result.bad_lines.insert(result.bad_lines.end(), state.data.bad_lines.begin(), state.data.bad_lines.end());
    result.tokens_per_second = loop.tokens_per_second();
    result.milliseconds = watch.milliseconds();
    return result;
}

}  // namespace overfill
