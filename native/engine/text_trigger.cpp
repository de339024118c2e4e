#include "text_trigger.h"

#include "deep_stack.h"
#include "failure.h"

#include <algorithm>
#include <cctype>
#include <iterator>

namespace overfill {

static constexpr size_t longest_match = (size_t) 128 << 10;
static constexpr size_t max_expression = (size_t) 4 << 10;
// Of one search. A step is a look at a character, of which a second has some 10 million where the stack grows.
static constexpr size_t max_work = 1 << 22, work_between_polls = 1 << 12;
// A character takes some frames of the matcher, each of a few hundred bytes: more of them the deeper an expression
// nests. The rest is for the states between two looks at characters, of which the library allows 100,000.
static constexpr size_t stack_per_byte = 2048, stack_for_rest = (size_t) 32 << 20;

[[noreturn]] static void refuse(const std::string & expression, const std::string & reason) {
    throw failure(error_code::grammar_invalid, "the pattern " + expression + " of a grammar's trigger " + reason,
                  { { "parameter", "grammarTriggers" }, { "actual", expression } });
}

// --- what stands in every match ---

namespace {

// Reads as much of an expression's syntax as it takes to tell texts from what is optional or stands for more than one.
class text_reader {
  public:
    explicit text_reader(const std::string & expression) : in_(expression) {}

    std::vector<std::string> run() {
        if (has_choice(0, in_.size())) return {};
        read(0, in_.size());
        return std::move(out_);
    }

    bool has_choice(size_t at, size_t end) const {
        for (; at < end; at = item_end(at, end))
            if (in_[at] == '|') return true;
        return false;
    }

  private:
    // Behind the escape, class, group or character that begins here.
    size_t item_end(size_t at, size_t end) const {
        if (in_[at] == '\\') {
            const char kind = at + 1 < end ? in_[at + 1] : '\0';
            if (kind == 'x') return std::min(at + 4, end);
            if (kind == 'u') return std::min(at + 6, end);
            if (kind == 'c') return std::min(at + 3, end);
            size_t behind = at + 2;
            while (std::isdigit((unsigned char) kind) && behind < end && std::isdigit((unsigned char) in_[behind]))
                behind++;
            return std::min(behind, end);
        }
        if (in_[at] == '[') {
            // A class may begin with a bracket, and has classes of its own such as [:alpha:].
            for (size_t i = at + 1; i < end; i++) {
                if (in_[i] == '\\')
                    i++;
                else if (in_[i] == '[' && i + 1 < end && (in_[i + 1] == ':' || in_[i + 1] == '.' || in_[i + 1] == '='))
                    i = std::min(in_.find(']', i), end);
                else if (in_[i] == ']')
                    return i + 1;
            }
            return end;
        }
        if (in_[at] != '(') return at + 1;
        size_t depth = 0;
        for (size_t i = at; i < end;) {
            depth += in_[i] == '(';
            depth -= in_[i] == ')';
            if (depth == 0) return i + 1;
            i = in_[i] == '(' ? i + 1 : item_end(i, end);
        }
        return end;
    }

    void close() {
        if (!run_.empty()) out_.push_back(std::move(run_));
        run_.clear();
    }

    void read(size_t at, size_t end) {
        while (at < end) {
            const size_t behind = item_end(at, end);
            const char quantifier = behind < end ? in_[behind] : '\0';
            const bool optional = quantifier == '*' || quantifier == '?' || quantifier == '{';
            const char c = in_[at];
            if (c == '(') {
                close();
                size_t from = at + 1;
                const bool look = in_.compare(from, 2, "?=") == 0 || in_.compare(from, 2, "?!") == 0;
                if (in_.compare(from, 2, "?:") == 0) from += 2;
                if (!optional && !look && behind - 1 > from && !has_choice(from, behind - 1)) {
                    read(from, behind - 1);
                    close();
                }
            } else if (c == '{') {
                close();
                at = std::min(in_.find('}', at), end - 1) + 1;
                continue;
            } else if (optional || is_no_text(at)) {
                close();
            } else {
                run_ += in_[c == '\\' ? at + 1 : at];
                if (quantifier == '+') close();
            }
            at = behind;
        }
        close();
    }

    bool is_no_text(size_t at) const {
        const char c = in_[at];
        if (c == '\\') return at + 1 >= in_.size() || std::isalnum((unsigned char) in_[at + 1]);
        return std::string("^$.[*+?|)").find(c) != std::string::npos;
    }

    const std::string & in_;
    std::string run_;
    std::vector<std::string> out_;
};

// Counts the steps of who goes through a text by it, and looks at how deep its stack is.
struct work_meter {
    const std::function<bool()> & stopped;
    const std::string & expression;
    size_t max_stack;
    const char * stack_begin = nullptr;
    size_t work = 0;

    void spend() {
        const char here = 0;
        const size_t n_stack = (size_t) (stack_begin > &here ? stack_begin - &here : &here - stack_begin);
        if (++work > max_work || n_stack > max_stack)
            refuse(expression, "takes too much work on an answer of this length");
        if (work % work_between_polls == 0 && stopped && stopped()) throw failure(error_code::aborted, "aborted");
    }
};

class metered_iterator {
  public:
    using iterator_category = std::bidirectional_iterator_tag;
    using value_type = char;
    using difference_type = std::ptrdiff_t;
    using pointer = const char *;
    using reference = const char &;

    metered_iterator() = default;
    metered_iterator(const char * at, work_meter * meter) : at_(at), meter_(meter) {}

    reference operator*() const {
        meter_->spend();
        return *at_;
    }
    metered_iterator & operator++() {
        at_++;
        return *this;
    }
    metered_iterator & operator--() {
        at_--;
        return *this;
    }
    metered_iterator operator++(int) { return { at_++, meter_ }; }
    metered_iterator operator--(int) { return { at_--, meter_ }; }
    // Every state that could take a character asks whether there is one.
    bool operator==(const metered_iterator & other) const {
        if (meter_) meter_->spend();
        return at_ == other.at_;
    }
    bool operator!=(const metered_iterator & other) const { return !(*this == other); }

    const char * get() const { return at_; }

  private:
    const char * at_ = nullptr;
    work_meter * meter_ = nullptr;
};

using match_result = std::match_results<metered_iterator>;

const char * begin_of(const match_result & match) {
    for (size_t i = 1; i < match.size(); i++)
        if (match[i].matched && match[i].first.get() != match[i].second.get()) return match[i].first.get();
    return match[0].first.get();
}

}  // namespace

std::vector<std::string> texts_of(const std::string & expression) { return text_reader(expression).run(); }

// --- the trigger ---

text_trigger text_trigger::word(const std::string & text) {
    text_trigger out;
    out.texts_ = { text };
    return out;
}

text_trigger text_trigger::pattern(const std::string & expression) {
    if (expression.size() > max_expression) refuse(expression.substr(0, 64) + "...", "is longer than 4 KiB");
    text_trigger out;
    out.expression_ = expression;
    try {
        // The compiler recurses for brackets.
        with_stack(stack_for_rest, [&] { out.regex_.emplace(expression); });
    } catch (const std::regex_error & error) {
        refuse(expression, std::string("is no regular expression: ") + error.what());
    }
    out.texts_ = texts_of(expression);
    out.at_begin_ =
        !expression.empty() && expression[0] == '^' && !text_reader(expression).has_choice(0, expression.size());
    return out;
}

text_trigger text_trigger::whole_pattern(const std::string & expression) {
    if (expression.empty()) return pattern("^$");
    return pattern((expression.front() == '^' ? "" : "^") + expression + (expression.back() == '$' ? "" : "$"));
}

// The texts are looked for one after the other, each behind the one before, in what is new of the answer.
bool text_trigger::has_texts(const std::string & text) {
    for (; n_seen_ < texts_.size(); n_seen_++) {
        const std::string & next = texts_[n_seen_];
        const size_t at = text.find(next, searched_);
        if (at == std::string::npos) {
            if (text.size() >= next.size()) searched_ = std::max(searched_, text.size() - next.size() + 1);
            return false;
        }
        searched_ = at + next.size();
    }
    return true;
}

std::optional<size_t> text_trigger::find(const std::string & text, const std::function<bool()> & stopped) {
    if (!has_texts(text)) return std::nullopt;
    if (!regex_) return searched_ - texts_[0].size();

    const size_t from = text.size() > longest_match ? text.size() - longest_match : 0;
    if (from > 0 && at_begin_) return std::nullopt;
    std::optional<size_t> found;
    const size_t max_stack = (text.size() - from) * stack_per_byte + stack_for_rest;
    const auto search = [&] {
        const char here = 0;
        work_meter meter{ stopped, expression_, max_stack, &here };
        const metered_iterator begin(text.data() + from, &meter), end(text.data() + text.size(), &meter);
        match_result match;
        const bool is_whole = !expression_.empty() && expression_.front() == '^' && expression_.back() == '$';
        bool matched = from == 0 && is_whole && std::regex_match(begin, end, match, *regex_);
        if (!matched) {
            auto flags = std::regex_constants::match_default;
            if (at_begin_) flags |= std::regex_constants::match_continuous;
            if (from > 0) flags |= std::regex_constants::match_prev_avail;
            matched = std::regex_search(begin, end, match, *regex_, flags);
        }
        if (matched) found = (size_t) (begin_of(match) - text.data());
    };
    try {
        with_stack(max_stack + stack_for_rest, search);
    } catch (const std::regex_error &) {
        // Matchers that count their steps themselves give up.
        refuse(expression_, "takes too much work on an answer of this length");
    }
    return found;
}

}  // namespace overfill
