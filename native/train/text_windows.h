// A plain text as windows of tokens over and over, shuffled among so many, read as they are needed. Where the reading
// stands is a line_position whose places have a number and nothing else: a window's first byte is not known, so that
// resuming reads the text again up to there.
#pragma once

#include "corpus.h"
#include "shuffled_lines.h"

#include <llama.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace overfill {

struct text_window {
    std::vector<llama_token> tokens;  // two at least
    uint64_t number = 0;              // from 1
    uint64_t epoch = 0;
};

class text_windows {
  public:
    // Throws ERR_FILE_READ_FAILED, or ERR_DATA_INVALID for a text without two tokens.
    text_windows(const std::string & path, const llama_vocab * vocab, uint32_t n_tokens, uint64_t window,
                 uint64_t seed);

    // Throws ERR_FILE_READ_FAILED.
    text_window next();

    const line_position & position() const { return position_; }
    // Of the same text, sizes and window. Throws ERR_DATA_INVALID if it cannot be this text's.
    void resume(line_position position);

  private:
    std::vector<llama_token> read();
    void rewind();
    bool fill();

    std::string path_;
    const llama_vocab * vocab_;
    uint32_t n_tokens_;
    uint64_t size_;
    std::unique_ptr<corpus> text_;
    line_position position_;
    std::vector<std::vector<llama_token>> tokens_;  // as position_.window
};

}  // namespace overfill
