// A text that wakes a lazy grammar, looked for in an answer while it grows: a word, or a regular expression of the C++
// library, as llama.cpp has it. That library's matcher tries again and again and recurses for every character, so it
// runs only once the texts that stand in every match have been seen, on a stack made for the answer's length, and
// within a budget.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <regex>
#include <string>
#include <vector>

namespace overfill {

class text_trigger {
  public:
    static text_trigger word(const std::string & text);
    // Throws ERR_GRAMMAR_INVALID for what is no regular expression, and for one of more than 4 KiB.
    static text_trigger pattern(const std::string & expression);
    // One that has to match the whole answer.
    static text_trigger whole_pattern(const std::string & expression);

    // Where what the grammar gets begins in `text`: at the first group that matched something, or at the match itself.
    // `text` is longer with every call. What lies more than 128 KiB back is not searched. Throws ERR_GRAMMAR_INVALID
    // where the expression takes too much work, and error_code::aborted when `stopped`, which may be empty, says so.
    std::optional<size_t> find(const std::string & text, const std::function<bool()> & stopped);

  private:
    text_trigger() = default;
    bool has_texts(const std::string & text);

    std::string expression_;
    std::optional<std::regex> regex_;  // none: a word
    bool at_begin_ = false;            // it can match at the answer's beginning only
    std::vector<std::string> texts_;   // that stand in every match, in their order
    size_t n_seen_ = 0;                // of them
    size_t searched_ = 0;              // where the next of them may begin
};

// What stands in every match of an expression, in its order. Not necessarily all of that.
std::vector<std::string> texts_of(const std::string & expression);

}  // namespace overfill
