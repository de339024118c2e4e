// The bytes of a vocabulary's tokens in alphabetical order, so that who follows a grammar through all of them follows
// what several begin with only once.
#pragma once

#include <llama.h>

#include <cstdint>
#include <string>
#include <vector>

namespace overfill {

// As a grammar sees it: control tokens have their text, too.
std::string piece_of(const llama_vocab * vocab, llama_token token);

struct token_piece {
    llama_token token;
    uint32_t n_shared;  // bytes that it has in common with the one before
    std::string bytes;
};

class token_pieces {
  public:
    explicit token_pieces(const llama_vocab * vocab) : vocab_(vocab) {}

    // Without tokens that end an answer, and without those whose text is empty or has a NUL character: no grammar's
    // characters can be theirs. Made by the first call.
    const std::vector<token_piece> & in_order();

  private:
    const llama_vocab * vocab_;
    std::vector<token_piece> pieces_;
};

}  // namespace overfill
