// Turns tokens into text that may be shown: no half of a UTF-8 character, and nothing that may still turn out to be
// part of a stop string. Tokens are released together with their text.
//
// Control tokens are no part of the text, unless they are asked for, all of them or some. A stop string that has the
// text of one in it ("<|im_end|>", "\n<|im_start|>") is looked for in the text with them all the same.
#pragma once

#include <llama.h>

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace overfill {

class answer_text {
  public:
    // `preserved` are the texts of tokens that are shown, control tokens or not; those that are no token say nothing.
    // `begun` are the first bytes of a character that an earlier part of the answer ended in.
    answer_text(const llama_vocab * vocab, std::vector<std::string> stop, bool special, std::string begun = "",
                const std::vector<std::string> & preserved = {});

    // Appends a token. Returns true if a stop string is now complete.
    bool append(llama_token token);

    // The same for the token that ends the answer and is none of its tokens: its text belongs to it if it is preserved.
    bool append_end(llama_token token);

    // Moves what may be shown to the ends of `text` and `tokens`.
    void release(std::string & text, std::vector<llama_token> & tokens);

    // At the end: moves all that is left, up to the stop string if one was found. If the answer may go on, the bytes of
    // a begun character stay behind as `unfinished`; their tokens do not.
    void release_all(std::string & text, std::vector<llama_token> & tokens, bool goes_on);

    // What the next part of the answer has to begin with. Nothing may follow.
    std::string take_unfinished() { return std::move(pending_); }

    // The stop string found; empty if none.
    const std::string & stop() const { return found_; }

    // After a stop: the tokens at the end of the answer whose text lies wholly inside or behind the stop string.
    size_t n_tokens_after_stop() const;

  private:
    struct pending_token {
        llama_token id;
        size_t begin;  // offsets of its text in pending_
        size_t end;
        size_t full_begin;  // and in full_, where it is kept
        bool shown;         // the text's beginning was released already
    };

    // Up to so many bytes of pending_, and of full_ where it is kept.
    void take(size_t n_bytes, size_t n_full, std::string & text, std::vector<llama_token> & tokens);
    bool look_for_stop(size_t begin, size_t full_begin);
    std::string piece_of(llama_token token, bool special);
    bool is_hidden(llama_token token) const;
    bool has_hidden_token(const std::string & text) const;
    size_t full_end(size_t i) const;
    // The place in pending_ that stands for one in full_.
    size_t shown_place(size_t at) const;

    const llama_vocab * vocab_;
    std::vector<std::string> stop_;
    std::vector<std::string> control_stop_;  // those with a control token's text, where that is not shown
    bool special_;
    std::vector<llama_token> preserved_;
    std::string pending_;                // text not released yet
    std::string full_;                   // the same with control tokens; empty if there is no control_stop_
    std::vector<pending_token> tokens_;  // tokens not released yet
    size_t stop_at_ = std::string::npos;
    size_t full_stop_at_ = std::string::npos;  // of a stop string with control tokens
    std::string found_;
    std::vector<char> piece_;  // reused
};

}  // namespace overfill
