// Texts that are not UTF-8 are refused where they are not, however they are cut.
#include "check.h"
#include "text_check.h"

using namespace overfill;
using namespace overfill::test;

namespace {

// Fed in pieces of so many bytes.
void feed(const std::string & text, size_t n_piece) {
    text_check check("file");
    for (size_t at = 0; at < text.size(); at += n_piece) {
        const std::string piece = text.substr(at, n_piece);
        check.feed(piece.data(), piece.size());
    }
    check.end();
}

std::string detail(const failure & error, const std::string & wanted) {
    for (const auto & [key, value] : error.details())
        if (key == wanted) return *value.text();
    return "";
}

}  // namespace

TEST("UTF-8 passes, in pieces that end inside a character, too") {
    const std::string text = "a\xC3\xA9\n\xE2\x82\xAC\xF0\x9F\x98\x80\xEF\xBF\xBD\xF4\x8F\xBF\xBF";
    for (size_t n_piece = 1; n_piece <= text.size(); n_piece++) feed(text, n_piece);
}

TEST("what is not UTF-8 is refused with its line and offset") {
    const std::pair<std::string, const char *> cases[] = {
        { "ab\ncaf\xE9 au", "6" },        // Latin-1
        { "ab\n\xC0\xAF", "3" },          // overlong
        { "ab\n\xE0\x80\x80", "3" },      // overlong
        { "ab\nx\xED\xA0\x80", "4" },     // half of a surrogate pair
        { "ab\n\xF4\x90\x80\x80", "3" },  // beyond Unicode
        { "ab\n\x80", "3" },              // a continuation of nothing
        { "ab\n\xE2\x82", "3" },          // cut off
        { std::string("ab\nc\0d", 6), "4" },
    };
    for (const auto & [text, offset] : cases)
        for (size_t n_piece : { (size_t) 1, text.size() }) {
            try {
                feed(text, n_piece);
                CHECK(!"it was taken");
            } catch (const failure & error) {
                CHECK_EQUAL(std::string(error_code_name(error.code())), std::string("ERR_DATA_INVALID"));
                CHECK_EQUAL(detail(error, "path"), std::string("file"));
                CHECK_EQUAL(detail(error, "line"), std::string("2"));
                CHECK_EQUAL(detail(error, "offset"), std::string(offset));
            }
        }
}

TEST("UTF-16 and UTF-32 are known by their first bytes") {
    const std::pair<std::string, const char *> cases[] = {
        { std::string("\xFF\xFE"
                      "a\0",
                      4),
          "UTF-16LE" },
        { std::string("\xFE\xFF\0a", 4), "UTF-16BE" },
        { std::string("a\0b\0", 4), "UTF-16LE" },
        { std::string("\0a\0b", 4), "UTF-16BE" },
        { std::string("\xFF\xFE\0\0", 4), "UTF-32" },
        { std::string("a\0\0\0", 4), "UTF-32" },
        { std::string("\0\0\0a", 4), "UTF-32" },
    };
    for (const auto & [start, encoding] : cases) {
        try {
            text_check("file").look_at_start(start);
            CHECK(!"it was taken");
        } catch (const failure & error) {
            CHECK_EQUAL(detail(error, "encoding"), std::string(encoding));
        }
    }
    for (const char * start : { "", "a", "abcd", "\xEF\xBB\xBF", "\xC3\xA9" }) text_check("file").look_at_start(start);
}

TEST("a line says why it cannot be read") {
    CHECK_EQUAL(line_problem("caf\xC3\xA9"), std::string());
    CHECK(line_problem("caf\xE9").find("not UTF-8") != std::string::npos);
    CHECK(line_problem(std::string("a\0b", 3)).find("zero byte") != std::string::npos);
}
