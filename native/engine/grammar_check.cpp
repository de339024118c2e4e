#include "grammar_check.h"

#include "failure.h"

#include <algorithm>
#include <cctype>
#include <vector>

namespace overfill {

// Far beyond what a person writes or a schema converts to, far below what hurts.
static constexpr size_t max_bytes = 1 << 20;
static constexpr size_t max_depth = 200;
static constexpr size_t max_rules = 10000;
static constexpr size_t max_repetition = 2000;
static constexpr size_t max_elements = 1 << 20;

namespace {

class scan {
  public:
    explicit scan(const std::string & text) : text_(text) {}

    void run() {
        if (text_.size() > max_bytes) refuse("is larger than 1 MiB");
        if (text_.find('\0') != std::string::npos) refuse("holds a NUL character");
        open();
        while (at_ < text_.size()) {
            switch (text_[at_]) {
            case '#': skip_comment(); break;
            case '"': element(skip_quoted('"')); break;
            case '[': element(skip_quoted(']')); break;
            case '(':
                if (groups_.size() > max_depth) refuse("is nested too deeply");
                open();
                at_++;
                break;
            case ')': close(); break;
            case '{': repeat(); break;
            case ':': rule(); break;
            default:
                if (std::isalnum((unsigned char) text_[at_]) || text_[at_] == '-' || text_[at_] == '_')
                    element(skip_name());
                else
                    at_++;
            }
        }
    }

  private:
    // What a group expands to: all its elements, and the last one, which a repetition multiplies.
    struct group {
        size_t total = 0;
        size_t last = 0;
    };

    [[noreturn]] void refuse(const std::string & what) const {
        throw failure(error_code::grammar_invalid,
                      "the GBNF grammar " + what + " (at character " + std::to_string(at_) + ")",
                      { { "parameter", "grammar" }, { "position", at_ } });
    }

    void open() { groups_.push_back({}); }

    void close() {
        if (groups_.size() < 2) refuse("closes a group that was not opened");
        const size_t inside = groups_.back().total;
        groups_.pop_back();
        at_++;
        element(inside);
    }

    void element(size_t size) {
        group & current = groups_.back();
        current.last = std::max<size_t>(size, 1);
        current.total += current.last;
        if (current.total > max_elements) refuse("expands to too many elements");
    }

    void skip_comment() { at_ = std::min(text_.find('\n', at_), text_.size()); }

    size_t skip_quoted(char end) {
        const size_t from = at_++;
        while (at_ < text_.size() && text_[at_] != end) at_ += text_[at_] == '\\' ? 2 : 1;
        at_ = std::min(at_ + 1, text_.size());
        return end == '"' ? at_ - from : 1;
    }

    size_t skip_name() {
        while (at_ < text_.size() &&
               (std::isalnum((unsigned char) text_[at_]) || text_[at_] == '-' || text_[at_] == '_'))
            at_++;
        return 1;
    }

    size_t number() {
        size_t value = 0;
        while (at_ < text_.size() && std::isdigit((unsigned char) text_[at_])) {
            value = std::min<size_t>(value * 10 + (size_t) (text_[at_] - '0'), max_repetition + 1);
            at_++;
        }
        return value;
    }

    // {m}, {m,} or {m,n}
    void repeat() {
        at_++;
        skip_space();
        const size_t least = number();
        skip_space();
        size_t most = least;
        if (at_ < text_.size() && text_[at_] == ',') {
            at_++;
            skip_space();
            const bool bounded = at_ < text_.size() && std::isdigit((unsigned char) text_[at_]);
            most = bounded ? number() : least;
            if (most < least)
                refuse("repeats at most " + std::to_string(most) + " times, but at least " + std::to_string(least));
        }
        if (most > max_repetition) refuse("repeats more than " + std::to_string(max_repetition) + " times");
        const size_t last = groups_.back().last;
        groups_.back().total -= std::min(last, groups_.back().total);
        element(last * std::max<size_t>(most, 1));
    }

    void skip_space() {
        while (at_ < text_.size() && std::isspace((unsigned char) text_[at_])) at_++;
    }

    void rule() {
        if (text_.compare(at_, 3, "::=") == 0 && ++n_rules_ > max_rules) refuse("has too many rules");
        at_++;
    }

    const std::string & text_;
    size_t at_ = 0;
    size_t n_rules_ = 0;
    std::vector<group> groups_;
};

}  // namespace

void check_grammar(const std::string & grammar) { scan(grammar).run(); }

}  // namespace overfill
