#include "example_stream.h"

#include "failure.h"

namespace overfill {

example_stream::example_stream(const source_options & options, const llama_model * model,
                               const sequence_options & sequences, uint64_t max_bad_lines, report on_bad_line)
    : path_(options.path), sequences_(sequences), max_bad_lines_(max_bad_lines), on_bad_line_(std::move(on_bad_line)),
      source_(open_source(options, model)) {
    // Another sequence of numbers than the one that shuffles.
    random_state first{ options.seed };
    cuts_.value = first.next();
}

void example_stream::refuse(const drawn_example & drawn) {
    if (!bad_numbers_.insert(drawn.number).second) return;
    const std::string number = std::to_string(drawn.number);
    bad_lines_.push_back({ path_, drawn.number, drawn.problem });
    if (on_bad_line_) on_bad_line_(bad_lines_.back());
    if (bad_lines_.size() <= max_bad_lines_) return;
    const std::string others =
        max_bad_lines_ > 0 ? " (" + std::to_string(max_bad_lines_) + " bad lines were skipped before it)" : "";
    throw failure(error_code::data_invalid, path_ + ":" + number + ": " + drawn.problem + others,
                  { { "path", path_ }, { "line", drawn.number } });
}

example_sequences example_stream::next() {
    const uint64_t begin = source_->position().epoch;
    while (true) {
        const drawn_example drawn = source_->next();
        if (drawn.epoch > begin + 1)
            throw failure(error_code::data_invalid, path_ + " holds no line that can be trained on",
                          { { "path", path_ } });
        if (!drawn.problem.empty()) {
            refuse(drawn);
            continue;
        }
        std::vector<train_sequence> made = sequences_of(drawn.value, sequences_, cuts_);
        if (!made.empty()) return { std::move(made), drawn.epoch };
    }
}

stream_state example_stream::state() const { return { source_->position(), cuts_, bad_lines_ }; }

void example_stream::resume(const stream_state & state) {
    source_->resume(state.position);
    cuts_ = state.cuts;
    bad_lines_ = state.bad_lines;
    bad_numbers_.clear();
    for (const bad_line & line : bad_lines_) bad_numbers_.insert(line.number);
}

}  // namespace overfill
