// The examples that a training is measured on: the first of a file, cut in the same way each time.
#pragma once

#include "example_stream.h"
#include "student_model.h"

#include <cstdint>
#include <functional>
#include <vector>

namespace overfill {

class evaluation_set {
  public:
    // At most `n_examples`. Throws what example_stream throws.
    evaluation_set(const source_options & options, const llama_model * model, const sequence_options & sequences,
                   uint64_t max_bad_lines, uint64_t n_examples, const example_stream::report & on_bad_line);

    // Nats a token. Throws what student_model::measure throws, and ERR_TRAINING_DIVERGED for a loss that is no finite
    // number.
    double loss(student_model & student, const std::function<void(double fraction)> & on_progress) const;

    const std::vector<bad_line> & bad_lines() const { return bad_lines_; }

  private:
    std::vector<std::vector<train_sequence>> groups_;  // measured together
    std::vector<bad_line> bad_lines_;
};

}  // namespace overfill
