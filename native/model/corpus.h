// A text file as chunks of tokens, read and tokenised piece by piece: the file may be larger than memory.
#pragma once

#include "text_check.h"

#include <llama.h>

#include <cstdint>
#include <fstream>
#include <string>
#include <vector>

namespace overfill {

// Throws ERR_FILE_READ_FAILED if there is no such file or it cannot be opened, ERR_DATA_INVALID if it begins as a text
// in UTF-16 or UTF-32 does.
void check_text_file(const std::string & path);

class corpus {
  public:
    // Every chunk begins as a prompt would (with the BOS token, where the vocabulary adds one). Throws
    // ERR_FILE_READ_FAILED.
    corpus(const std::string & path, const llama_vocab * vocab, uint32_t chunk_size);

    // The next chunk: chunk_size tokens, fewer at the end of the text, none after it. A character that the vocabulary
    // lacks is its unknown token, or left out where it has none. Throws ERR_FILE_READ_FAILED; ERR_DATA_INVALID
    // (details: path, line, offset) at bytes that are not UTF-8 and at a zero byte.
    std::vector<llama_token> next();

    // How much of the file has been read, 0 to 1.
    double fraction() const;

  private:
    bool read_piece();
    // Where the text may be cut so that tokens seldom span the cut.
    size_t cut_of(const std::string & text) const;

    std::string path_;
    const llama_vocab * vocab_;
    uint32_t chunk_size_;
    bool drops_last_space_;
    std::ifstream file_;
    text_check check_;
    bool began_ = false;  // something was tokenised
    uint64_t n_bytes_ = 0, n_read_ = 0;
    std::string rest_;                 // text behind the last cut
    std::vector<llama_token> prefix_;  // what a chunk begins with
    std::vector<llama_token> tokens_;  // tokenised, not given out yet
};

}  // namespace overfill
