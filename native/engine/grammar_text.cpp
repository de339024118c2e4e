#include "grammar_text.h"

#include "failure.h"
#include "grammar.h"

#include <algorithm>
#include <limits>

namespace overfill {

void grammar_text::refuse(const std::string & reason, size_t at) const {
    size_t line = 1, column = 1;
    for (size_t i = 0; i < std::min(at, text_.size()); i++) {
        if (text_[i] == '\n') {
            line++;
            column = 1;
        } else if (((unsigned char) text_[i] & 0xC0) != 0x80) {
            column++;
        }
    }
    throw failure(error_code::grammar_invalid,
                  "the GBNF grammar is invalid at line " + std::to_string(line) + ", column " + std::to_string(column) +
                      ": " + reason,
                  { { "parameter", "grammar" }, { "line", line }, { "column", column }, { "position", at } });
}

void grammar_text::skip_space(bool with_newlines) {
    while (true) {
        const char c = peek();
        if (c == '#')
            while (peek() && peek() != '\r' && peek() != '\n') at_++;
        else if (c == ' ' || c == '\t' || (with_newlines && (c == '\r' || c == '\n')))
            at_++;
        else
            return;
    }
}

std::string grammar_text::name() {
    const size_t from = at_;
    while (is_word(peek())) at_++;
    if (at_ == from) refuse("expecting name");
    return text_.substr(from, at_ - from);
}

uint64_t grammar_text::integer() {
    if (!is_digit(peek())) refuse("expecting integer");
    uint64_t value = 0;
    for (; is_digit(peek()); at_++)
        value = std::min<uint64_t>(value * 10 + (uint64_t) (peek() - '0'), std::numeric_limits<int32_t>::max());
    return value;
}

uint32_t grammar_text::character() {
    const size_t from = at_;
    if (!peek()) refuse("unexpected end of input");
    if (peek() != '\\') return utf8_character();
    const char escape = peek(1);
    at_ += 2;
    switch (escape) {
    case 'x': return hexadecimal(2, from);
    case 'u': return hexadecimal(4, from);
    case 'U': return hexadecimal(8, from);
    case 't': return '\t';
    case 'r': return '\r';
    case 'n': return '\n';
    case '\\':
    case '"':
    case '[':
    case ']':
    case '-': return (uint32_t) escape;
    case '\0': refuse("unexpected end of input", from);
    default: refuse("unknown escape", from);
    }
}

uint32_t grammar_text::hexadecimal(int size, size_t from) {
    uint64_t value = 0;
    for (int i = 0; i < size; i++, at_++) {
        const char c = peek();
        const int digit = is_digit(c)            ? c - '0'
                          : 'a' <= c && c <= 'f' ? c - 'a' + 10
                          : 'A' <= c && c <= 'F' ? c - 'A' + 10
                                                 : -1;
        if (digit < 0) refuse("expecting " + std::to_string(size) + " hex chars");
        value = value * 16 + (uint64_t) digit;
    }
    if (value > last_code_point) refuse("the escape is not a code point of Unicode", from);
    return (uint32_t) value;
}

uint32_t grammar_text::utf8_character() {
    const unsigned char first = (unsigned char) text_[at_++];
    const int n_more = first < 0xC0 ? 0 : first < 0xE0 ? 1 : first < 0xF0 ? 2 : 3;
    uint32_t value = n_more == 0 ? first : first & (0x3Fu >> n_more);
    for (int i = 0; i < n_more && ((unsigned char) peek() & 0xC0) == 0x80; i++)
        value = value << 6 | ((unsigned char) text_[at_++] & 0x3F);
    return std::min(value, last_code_point);
}

}  // namespace overfill
