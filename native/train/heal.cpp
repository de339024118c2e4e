#include "heal.h"

#include "clock.h"
#include "failure.h"
#include "heal_checks.h"
#include "heal_output.h"
#include "heal_parts.h"
#include "training_loop.h"

#include <filesystem>

namespace overfill {

// Where a run begins: at a checkpoint, or at the student as it is.
static training_state first_state(const heal_options & options, const run_facts & facts, const std::string & checkpoint,
                                  student_model & student, example_stream & data,
                                  std::vector<std::vector<float>> & best) {
    std::error_code error;
    training_state state;
    state.data = data.state();
    if (!options.resume || !std::filesystem::exists(std::filesystem::u8path(checkpoint), error)) return state;
    state = read_checkpoint(checkpoint, facts, { student.trained(), student.optimiser(), best });
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

    heal_parts parts(options, events, stop);
    student_model & student = parts.student;
    example_stream & data = parts.data;
    const std::optional<evaluation_set> & held_out = parts.held_out;
    check_heal_output(options, student);
    const run_facts facts = facts_of(options, parts.context_size, student);
    const std::string checkpoint = checkpoint_path_of(options);
    std::vector<std::vector<float>> best;
    training_state begin = first_state(options, facts, checkpoint, student, data, best);
    const uint64_t first_step = begin.n_steps;
    training_log log(options.log_path, begin.log_bytes);
    begin.log_bytes = log.n_bytes();
    training_loop loop(options, events,
                       { student, data, held_out ? &*held_out : nullptr, log, facts, checkpoint, parts.n_steps },
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
    result.n_file_bytes = options.side == train_side::reader ? written.reader : written.student;
    result.reader_path = options.reader_out_path;
    result.n_reader_bytes = options.side == train_side::both ? written.reader : 0;
    result.translator_path = options.translator_out_path;
    result.n_translator_bytes = written.translator;
    result.n_steps = state.n_steps;
    result.first_step = first_step;
    result.n_examples = state.n_examples;
    result.n_tokens = state.n_tokens;
    result.n_parameters = student.n_trained();
    result.losses = state.losses;
    result.evaluations = state.evaluations;
    if (held_out) result.bad_lines = held_out->bad_lines();
    result.bad_lines.insert(result.bad_lines.end(), state.data.bad_lines.begin(), state.data.bad_lines.end());
    result.tokens_per_second = loop.tokens_per_second();
    result.milliseconds = watch.milliseconds();
    return result;
}

}  // namespace overfill
