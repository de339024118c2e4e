#include "clock.h"
#include "heal_checks.h"
#include "heal_output.h"
#include "heal_parts.h"

#include <filesystem>

namespace overfill {

// A step that is over sooner says more the second time, when its graphs are there.
static constexpr double short_step_ms = 2000;

heal_estimate estimate_heal(const heal_options & options, const heal_events & events, const std::atomic<bool> & stop) {
    check_heal_options(options);
    if (events.on_progress) events.on_progress({ heal_stage::loading });
    heal_parts parts(options, events, stop);
    student_model & student = parts.student;
    check_heal_output(options, student);
    if (events.on_progress) events.on_progress({ heal_stage::training });

    std::vector<train_sequence> sequences;
    for (uint32_t i = 0; i < options.batch_size; i++)
        for (train_sequence & sequence : parts.data.next().sequences) sequences.push_back(std::move(sequence));
    pass_sums sums;
    double milliseconds = 0;
    for (int i = 0; i < 2 && (i == 0 || milliseconds < short_step_ms); i++) {
        const stopwatch watch;
        student.gradients().clear();
        sums = student.learn(sequences);
        // As far as it goes by time: the weights stay as they are.
        student.gradients().norm();
        student.optimiser().step(0);
        milliseconds = watch.milliseconds();
    }

    heal_estimate out;
    out.n_parameters = student.n_trained();
    out.n_steps = parts.n_steps;
    out.weight_bytes = student.weight_bytes();
    out.optimiser_bytes = 3 * sizeof(float) * out.n_parameters;
    out.activation_bytes = student.activation_bytes();
    std::error_code error;
    if (student.has_teacher())
        out.full_bytes = std::filesystem::file_size(std::filesystem::u8path(options.full.path), error);
    if (error) out.full_bytes = 0;
    out.tokens_per_second = milliseconds > 0 ? (double) sums.n_tokens * 1000 / milliseconds : 0;
    out.milliseconds_per_step = milliseconds;
    return out;
}

}  // namespace overfill
