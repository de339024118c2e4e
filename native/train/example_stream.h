// The examples of a training, one after the other, as the sequences they are trained in: lines that make none are
// counted and skipped, up to a limit.
#pragma once

#include "example_source.h"
#include "heal.h"
#include "random_state.h"
#include "sequences.h"

#include <functional>
#include <memory>
#include <unordered_set>
#include <vector>

namespace overfill {

// Where a stream stands: plain data for a checkpoint.
struct stream_state {
    line_position position;
    random_state cuts;
    std::vector<bad_line> bad_lines;  // each of them once, whatever the epochs
};

struct example_sequences {
    std::vector<train_sequence> sequences;  // one at least
    uint64_t epoch = 0;
};

class example_stream {
  public:
    using report = std::function<void(const bad_line &)>;

    // Throws as open_source does.
    example_stream(const source_options & options, const llama_model * model, const sequence_options & sequences,
                   uint64_t max_bad_lines, report on_bad_line);

    // Throws what example_source::next throws; ERR_DATA_INVALID (details: path, line) for one bad line too many, and
    // (details: path) for a file in which no line has a token to ask for.
    example_sequences next();

    stream_state state() const;
    // Throws ERR_DATA_INVALID for the state of another file.
    void resume(const stream_state & state);

  private:
    void refuse(const drawn_example & drawn);

    std::string path_;
    sequence_options sequences_;
    uint64_t max_bad_lines_;
    report on_bad_line_;
    std::unique_ptr<example_source> source_;
    random_state cuts_;
    std::vector<bad_line> bad_lines_;
    std::unordered_set<uint64_t> bad_numbers_;
};

}  // namespace overfill
