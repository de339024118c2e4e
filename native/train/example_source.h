// Where training examples come from: the lines of a JSONL file, or windows of a plain text. Both are shuffled, begin
// again when they are through, and can be stopped and resumed.
#pragma once

#include "examples.h"
#include "shuffled_lines.h"

#include <llama.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

namespace overfill {

struct source_options {
    std::string path;         // *.txt: plain text; anything else: JSONL
    uint32_t max_tokens = 0;  // of an example; a text's windows have so many
    uint64_t window = 1;      // examples to choose from; 1: the file's own order
    uint64_t seed = 0;
};

struct drawn_example {
    example value;
    std::string problem;  // why the line makes no example; empty: it does
    uint64_t number = 0;  // of the line or window, from 1
    uint64_t epoch = 0;
};

class example_source {
  public:
    virtual ~example_source() = default;
    // Throws ERR_FILE_READ_FAILED, and ERR_MODEL_UNSUPPORTED for a chat and a model without a chat template.
    virtual drawn_example next() = 0;
    virtual const line_position & position() const = 0;
    // Of the same options. Throws ERR_DATA_INVALID if it cannot be this file's.
    virtual void resume(line_position position) = 0;
};

// The model gives vocabulary and chat template and outlives the source. Throws ERR_FILE_READ_FAILED, or
// ERR_DATA_INVALID for a file that holds nothing.
std::unique_ptr<example_source> open_source(const source_options & options, const llama_model * model);

// Lines or windows in a file. Throws as open_source does, and error_code::aborted.
uint64_t count_examples(const source_options & options, const llama_model * model, const std::atomic<bool> & stop);

}  // namespace overfill
