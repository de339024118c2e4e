// Whether bytes are a text that can be read: UTF-8 without zero bytes. A text in another encoding would be tokenised
// into nonsense without a word. lib/eval/data/data-lines.ts has the same rules and words for what JavaScript reads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace overfill {

// Bytes of UTF-8's byte order mark that a file begins with: 3 or 0. They are passed over.
size_t byte_order_mark(const std::string & start);

// Why one line of a file cannot be read: "it is not UTF-8 ..." or "there is a zero byte in it"; empty: it can.
std::string line_problem(const std::string & line);

// Looks at a file's text on its way, in pieces that may end inside a character.
class text_check {
  public:
    explicit text_check(std::string path) : path_(std::move(path)) {}

    // The first bytes of the file, four where it has as many. Throws ERR_DATA_INVALID (details: path, line, offset,
    // encoding) for UTF-16 and UTF-32.
    void look_at_start(const std::string & start) const;

    // The next bytes, from the file's beginning on. Throws ERR_DATA_INVALID (details: path, line, offset, and encoding
    // where it can be guessed) for bytes that are not UTF-8 and for a zero byte.
    void feed(const char * bytes, size_t n_bytes);
    // Behind the last: nothing may be left half.
    void end();

  private:
    [[noreturn]] void refuse(const std::string & what, uint64_t offset, const std::string & encoding) const;
    bool follows(unsigned char byte);

    std::string path_;
    uint64_t offset_ = 0, line_ = 1;
    uint64_t began_ = 0;                        // where the character begins that is not whole yet
    int n_missing_ = 0;                         // its bytes that are still to come
    unsigned char least_ = 0x80, most_ = 0xBF;  // what the next of them may be
};

}  // namespace overfill
