#include "evaluation_set.h"

#include "failure.h"

#include <cmath>

namespace overfill {

static constexpr uint64_t examples_per_group = 32;

evaluation_set::evaluation_set(const source_options & options, const llama_model * model,
                               const sequence_options & sequences, uint64_t max_bad_lines, uint64_t n_examples,
                               const example_stream::report & on_bad_line) {
    example_stream stream(options, model, sequences, max_bad_lines, on_bad_line);
    for (uint64_t i = 0; i < n_examples; i++) {
        example_sequences drawn = stream.next();
        if (drawn.epoch > 0) break;
        if (i % examples_per_group == 0) groups_.emplace_back();
        for (train_sequence & sequence : drawn.sequences) groups_.back().push_back(std::move(sequence));
    }
    bad_lines_ = stream.state().bad_lines;
    if (groups_.empty())
        throw failure(error_code::data_invalid, options.path + " holds no line that can be evaluated on",
                      { { "path", options.path } });
}

double evaluation_set::loss(student_model & student, const std::function<void(double fraction)> & on_progress) const {
    double sum = 0;
    uint64_t n_targets = 0;
    for (size_t i = 0; i < groups_.size(); i++) {
        on_progress((double) i / (double) groups_.size());
        const pass_sums sums = student.measure(groups_[i]);
        sum += sums.cross_entropy * (double) sums.n_targets;
        n_targets += sums.n_targets;
    }
    on_progress(1);
    const double loss = sum / (double) n_targets;
    if (!std::isfinite(loss))
        throw failure(error_code::training_diverged,
                      "training diverged: the loss of an evaluation is not a finite number");
    return loss;
}

}  // namespace overfill
