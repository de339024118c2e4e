// Reads the text of a GBNF grammar: space, names, numbers and characters, and the place where something is wrong.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace overfill {

class grammar_text {
  protected:
    explicit grammar_text(const std::string & text) : text_(text) {}

    // Throws ERR_GRAMMAR_INVALID with this reason and the line and column of a byte.
    [[noreturn]] void refuse(const std::string & reason, size_t at) const;
    [[noreturn]] void refuse(const std::string & reason) const { refuse(reason, at_); }

    // NUL at the end of the text, which holds none itself.
    char peek(size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }
    static bool is_digit(char c) { return '0' <= c && c <= '9'; }
    static bool is_word(char c) { return ('a' <= c && c <= 'z') || ('A' <= c && c <= 'Z') || c == '-' || is_digit(c); }

    // Comments are space, too.
    void skip_space(bool with_newlines);
    std::string name();
    // At most what an int32 holds.
    uint64_t integer();
    // One character of a literal or a class, which may be an escape.
    uint32_t character();

    const std::string & text_;
    size_t at_ = 0;

  private:
    uint32_t hexadecimal(int size, size_t from);
    uint32_t utf8_character();
};

}  // namespace overfill
