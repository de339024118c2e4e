// Turns tokens into text that may be shown: no half of a UTF-8 character, and nothing that may still turn out to be
// part of a stop string. Tokens are released together with their text.
#pragma once

#include <llama.h>

#include <cstddef>
#include <string>
#include <vector>

namespace overfill {

class answer_text {
  public:
    // `begun` are the first bytes of a character that an earlier part of the answer ended in.
    answer_text(const llama_vocab * vocab, std::vector<std::string> stop, bool special, std::string begun = "");

    // Appends a token. Returns true if a stop string is now complete.
    bool append(llama_token token);

    // Moves what may be shown to the ends of `text` and `tokens`.
    void release(std::string & text, std::vector<llama_token> & tokens);

    // At the end: moves all that is left, up to the stop string if one was found. If the answer may go on, the bytes of
    // a begun character stay behind as `unfinished`; their tokens do not.
    void release_all(std::string & text, std::vector<llama_token> & tokens, bool goes_on);

    // What the next part of the answer has to begin with.
    const std::string & unfinished() const { return pending_; }

    // The stop string found; empty if none.
    const std::string & stop() const { return found_; }

    // After a stop: the tokens at the end of the answer whose text lies wholly inside or behind the stop string.
    size_t n_tokens_after_stop() const;

  private:
    struct pending_token {
        llama_token id;
        size_t begin;  // offsets of its text in pending_
        size_t end;
        bool shown;  // the text's beginning was released already
    };

    void take(size_t n_bytes, std::string & text, std::vector<llama_token> & tokens);

    const llama_vocab * vocab_;
    std::vector<std::string> stop_;
    bool special_;
    std::string pending_;                // text not released yet
    std::vector<pending_token> tokens_;  // tokens not released yet
    size_t stop_at_ = std::string::npos;
    std::string found_;
    std::vector<char> piece_;  // reused
};

}  // namespace overfill
