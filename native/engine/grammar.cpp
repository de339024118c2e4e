#include "grammar.h"

#include "grammar_recursion.h"
#include "grammar_text.h"
#include "text.h"

#include <algorithm>
#include <map>

namespace overfill {

// Far beyond what a person writes or a schema converts to, far below what hurts.
static constexpr size_t max_bytes = 1 << 20;
static constexpr size_t max_depth = 200;
static constexpr uint64_t max_repetition = 2000;
static constexpr size_t max_elements = 1 << 20;
static constexpr size_t max_token_text = 256;  // bytes of <token>

using kind = grammar_element::kind;

bool contains(const character_class & characters, uint32_t code_point) {
    const auto behind = std::upper_bound(characters.begin(), characters.end(), code_point,
                                         [](uint32_t c, const code_point_range & range) { return c < range.first; });
    return behind != characters.begin() && code_point <= std::prev(behind)->last;
}

namespace {

class parser : private grammar_text {
  public:
    parser(const std::string & text, const llama_vocab * vocab) : grammar_text(text), vocab_(vocab) {}

    grammar run() {
        if (text_.size() > max_bytes) refuse("it is larger than 1 MiB", 0);
        if (const size_t at = text_.find('\0'); at != std::string::npos) refuse("it has a NUL character", at);
        skip_space(true);
        while (at_ < text_.size()) rule();
        for (const named_rule & r : rules_)
            if (!r.defined) refuse("Undefined rule identifier '" + r.name + "'", r.at);
        const auto root = names_.find("root");
        if (root == names_.end()) refuse("it does not contain a 'root' symbol", 0);
        grammar out = flatten();
        out.root = root->second;
        if (const auto left = find_left_recursion(out)) refuse("left recursion is not supported", rules_[*left].at);
        return out;
    }

  private:
    using sequence = std::vector<grammar_element>;
    struct named_rule {
        std::string name;
        size_t at;  // where it was named first
        bool defined = false;
        std::vector<sequence> alternatives;
    };

    uint32_t add_rule(const std::string & name, size_t at, bool defined) {
        rules_.push_back({ name, at, defined, {} });
        count_elements(1);
        return (uint32_t) rules_.size() - 1;
    }

    uint32_t rule_named(const std::string & name, size_t at) {
        const auto found = names_.find(name);
        if (found != names_.end()) return found->second;
        const uint32_t id = add_rule(name, at, false);
        names_.emplace(name, id);
        return id;
    }

    void count_elements(size_t n) {
        n_elements_ += n;
        if (n_elements_ > max_elements) refuse("it expands to too many elements");
    }

    void rule() {
        const size_t at = at_;
        const std::string title = name();
        const uint32_t id = rule_named(title, at);
        skip_space(false);
        if (text_.compare(at_, 3, "::=") != 0) refuse("expecting ::=");
        at_ += 3;
        skip_space(true);
        std::vector<sequence> made = alternatives(0);
        rules_[id].alternatives = std::move(made);
        rules_[id].defined = true;
        if (peek() != '\r' && peek() != '\n' && peek()) refuse("expecting newline or end");
        skip_space(true);
    }

    std::vector<sequence> alternatives(size_t depth) {
        std::vector<sequence> out;
        out.push_back(items(depth));
        while (peek() == '|') {
            at_++;
            skip_space(true);
            out.push_back(items(depth));
        }
        return out;
    }

    sequence items(size_t depth) {
        sequence out;
        size_t last = 0;  // where the item begins that a repetition is about
        while (true) {
            const size_t at = at_;
            switch (peek()) {
            case '"':
                last = out.size();
                literal(out);
                break;
            case '[':
                last = out.size();
                characters(out);
                break;
            case '<':
            case '!':
                last = out.size();
                out.push_back(token());
                break;
            case '.':
                last = out.size();
                at_++;
                out.push_back({ kind::characters, class_of({ { 0, last_code_point } }) });
                break;
            case '(': {
                if (depth >= max_depth) refuse("its groups are nested too deeply");
                at_++;
                skip_space(true);
                const uint32_t group = add_rule("", at, true);
                std::vector<sequence> made = alternatives(depth + 1);
                rules_[group].alternatives = std::move(made);
                if (peek() != ')') refuse("expecting ')'");
                at_++;
                last = out.size();
                out.push_back({ kind::rule, group });
                break;
            }
            case '*':
                at_++;
                repeat(out, last, at, 0, unlimited);
                break;
            case '+':
                at_++;
                repeat(out, last, at, 1, unlimited);
                break;
            case '?':
                at_++;
                repeat(out, last, at, 0, 1);
                break;
            case '{': counted(out, last); break;
            default:
                if (!is_word(peek())) {
                    count_elements(out.size() + 1);
                    return out;
                }
                last = out.size();
                const std::string title = name();
                out.push_back({ kind::rule, rule_named(title, at) });
            }
            if (out.size() > max_elements) refuse("it expands to too many elements");
            skip_space(depth > 0);
        }
    }

    void literal(sequence & out) {
        at_++;
        while (peek() != '"') {
            const uint32_t c = character();
            out.push_back({ kind::characters, class_of({ { c, c } }) });
        }
        at_++;
    }

    void characters(sequence & out) {
        at_++;
        const bool negated = peek() == '^';
        if (negated) at_++;
        character_class ranges;
        while (peek() != ']') {
            const size_t from = at_;
            const uint32_t first = character();
            uint32_t last = first;
            if (peek() == '-' && peek(1) != ']') {
                at_++;
                last = character();
            }
            if (last < first) refuse("the character range runs from a higher to a lower code point", from);
            ranges.push_back({ first, last });
        }
        at_++;
        // As in llama.cpp, [] and [^] are no item at all.
        if (!ranges.empty()) out.push_back({ kind::characters, class_of(negated ? rest_of(joined(ranges)) : ranges) });
    }

    grammar_element token() {
        const bool other = peek() == '!';
        if (other) at_++;
        const size_t from = at_;
        if (peek() != '<') refuse("expecting '<'");
        const kind is = other ? kind::other_token : kind::token;
        if (peek(1) == '[') {
            at_ += 2;
            const uint64_t id = integer();
            if (peek() != ']') refuse("expecting ']'");
            at_++;
            if (peek() != '>') refuse("expecting '>'");
            at_++;
            const int32_t n_vocab = llama_vocab_n_tokens(vocab_);
            if (id >= (uint64_t) n_vocab)
                refuse("token " + std::to_string(id) + " is outside the vocabulary of " + std::to_string(n_vocab),
                       from);
            return { is, (uint32_t) id };
        }
        const size_t end = text_.find('>', at_);
        if (end == std::string::npos || end - at_ >= max_token_text) refuse("expecting '>'");
        const std::string title = text_.substr(at_, end + 1 - at_);
        const std::vector<llama_token> tokens = tokenize(vocab_, title, text_place::continuation, true);
        if (tokens.size() != 1) refuse("invalid token '" + title + "'");
        at_ = end + 1;
        return { is, (uint32_t) tokens[0] };
    }

    static constexpr uint64_t unlimited = UINT64_MAX;

    // {m}, {m,} or {m,n}
    void counted(sequence & out, size_t last) {
        const size_t from = at_++;
        skip_space(true);
        const uint64_t least = integer();
        skip_space(true);
        uint64_t most = least;
        if (peek() == ',') {
            at_++;
            skip_space(true);
            most = is_digit(peek()) ? integer() : unlimited;
            skip_space(true);
            if (peek() != '}') refuse("expecting '}'");
        } else if (peek() != '}') {
            refuse("expecting ','");
        }
        at_++;
        if (most < least)
            refuse("at most " + std::to_string(most) + " repetitions, but at least " + std::to_string(least), from);
        if (least > max_repetition || (most != unlimited && most > max_repetition))
            refuse("number of repetitions exceeds sane defaults (" + std::to_string(max_repetition) +
                       "), please reduce the number of repetitions",
                   from);
        repeat(out, last, from, least, most);
    }

    // S{m,n}: S m times, then an optional rule (S (S (...)?)?)? for the rest; S* and S+: a rule R ::= S R | "".
    void repeat(sequence & out, size_t last, size_t at, uint64_t least, uint64_t most) {
        if (last == out.size()) refuse("expecting preceding item to */+/?/{", at);
        sequence item(out.begin() + (long) last, out.end());
        if (item.size() > 1) {
            const uint32_t group = add_rule("", at, true);
            count_elements(item.size() + 1);
            rules_[group].alternatives = { item };
            item = { { kind::rule, group } };
        }
        out.resize(last);
        for (uint64_t i = 0; i < least; i++) out.push_back(item[0]);
        if (most == least) return;
        uint32_t rest = 0;
        for (uint64_t i = 0; i < (most == unlimited ? 1 : most - least); i++) {
            const uint32_t id = add_rule("", at, true);
            count_elements(4);
            sequence once = item;
            if (most == unlimited)
                once.push_back({ kind::rule, id });
            else if (i > 0)
                once.push_back({ kind::rule, rest });
            rules_[id].alternatives = { std::move(once), {} };
            rest = id;
        }
        out.push_back({ kind::rule, rest });
    }

    static character_class joined(character_class ranges) {
        std::sort(ranges.begin(), ranges.end());
        character_class out;
        for (const code_point_range & range : ranges) {
            if (out.empty() || range.first > out.back().last + 1)
                out.push_back(range);
            else
                out.back().last = std::max(out.back().last, range.last);
        }
        return out;
    }

    static character_class rest_of(const character_class & ranges) {
        character_class out;
        uint32_t next = 0;
        for (const code_point_range & range : ranges) {
            if (range.first > next) out.push_back({ next, range.first - 1 });
            next = range.last + 1;
        }
        if (next <= last_code_point) out.push_back({ next, last_code_point });
        return out;
    }

    uint32_t class_of(character_class ranges) {
        return classes_.emplace(joined(std::move(ranges)), (uint32_t) classes_.size()).first->second;
    }

    grammar flatten() {
        grammar out;
        for (named_rule & r : rules_) {
            out.rules.emplace_back();
            for (sequence & s : r.alternatives) {
                out.rules.back().push_back((uint32_t) out.elements.size());
                out.elements.insert(out.elements.end(), s.begin(), s.end());
                out.elements.push_back({ kind::end, 0 });
            }
        }
        out.classes.resize(classes_.size());
        out.intervals = { 0 };
        for (const auto & [ranges, id] : classes_) {
            for (const code_point_range & range : ranges) {
                out.intervals.push_back(range.first);
                out.intervals.push_back(range.last + 1);
            }
            out.classes[id] = ranges;
        }
        std::sort(out.intervals.begin(), out.intervals.end());
        out.intervals.erase(std::unique(out.intervals.begin(), out.intervals.end()), out.intervals.end());
        return out;
    }

    const llama_vocab * vocab_;
    size_t n_elements_ = 0;
    std::vector<named_rule> rules_;
    std::map<std::string, uint32_t> names_;
    std::map<character_class, uint32_t> classes_;
};

}  // namespace

grammar parse_grammar(const std::string & text, const llama_vocab * vocab) { return parser(text, vocab).run(); }

}  // namespace overfill
