#include "text_check.h"

#include "failure.h"

namespace overfill {

static const char * const not_utf8 = "it is not UTF-8 (probably Latin-1 or Windows-1252)";
static const char * const zero_byte = "it contains a zero byte";

size_t byte_order_mark(const std::string & start) { return start.compare(0, 3, "\xEF\xBB\xBF") == 0 ? 3 : 0; }

void text_check::refuse(const std::string & what, uint64_t offset, const std::string & encoding) const {
    error_details details = { { "path", path_ },
                              { "line", std::to_string(line_) },
                              { "offset", std::to_string(offset) } };
    if (!encoding.empty()) details.emplace_back("encoding", encoding);
    throw failure(error_code::data_invalid, path_ + ":" + std::to_string(line_) + ": " + what, std::move(details));
}

void text_check::look_at_start(const std::string & start) const {
    const auto at = [&](size_t i) { return i < start.size() ? (int) (unsigned char) start[i] : -1; };
    const int a = at(0), b = at(1), c = at(2), d = at(3);
    // By the byte order mark, or by the zero bytes beside the first character of ASCII.
    const bool wide =
        (a == 0xFF && b == 0xFE && c == 0 && d == 0) || (a == 0 && b == 0) || (a > 0 && b == 0 && c == 0 && d == 0);
    const bool little = (a == 0xFF && b == 0xFE) || (a > 0 && b == 0);
    const bool big = (a == 0xFE && b == 0xFF) || (a == 0 && b > 0);
    if (!wide && !little && !big) return;
    const std::string encoding = wide ? "UTF-32" : little ? "UTF-16LE" : "UTF-16BE";
    refuse("the file is in " + encoding + ", or is not text; expected UTF-8", 0, encoding);
}

// Whether the byte may stand here.
bool text_check::follows(unsigned char byte) {
    if (n_missing_ > 0) {
        if (byte < least_ || byte > most_) return false;
        n_missing_--;
        least_ = 0x80;
        most_ = 0xBF;
        return true;
    }
    began_ = offset_;
    if (byte < 0x80) return true;
    if (byte < 0xC2 || byte > 0xF4) return false;
    n_missing_ = byte < 0xE0 ? 1 : byte < 0xF0 ? 2 : 3;
    // Neither overlong forms nor surrogates, nor what lies beyond Unicode.
    least_ = byte == 0xE0 ? 0xA0 : byte == 0xF0 ? 0x90 : 0x80;
    most_ = byte == 0xED ? 0x9F : byte == 0xF4 ? 0x8F : 0xBF;
    return true;
}

void text_check::feed(const char * bytes, size_t n_bytes) {
    for (size_t i = 0; i < n_bytes; i++) {
        const unsigned char byte = (unsigned char) bytes[i];
        if (byte == 0) refuse(zero_byte, offset_, "");
        if (!follows(byte)) refuse(not_utf8, began_, "latin1");
        if (byte == '\n') line_++;
        offset_++;
    }
}

void text_check::end() {
    if (n_missing_ > 0) refuse(not_utf8, began_, "latin1");
}

std::string line_problem(const std::string & line) {
    text_check check("");
    try {
        check.feed(line.data(), line.size());
        check.end();
    } catch (const failure &) {
        return line.find('\0') != std::string::npos ? zero_byte : not_utf8;
    }
    return "";
}

}  // namespace overfill
