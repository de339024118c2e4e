// Lazy grammars: when they wake and from where on they follow, beside llama.cpp's own; what a trigger's expression may
// cost.
#include "answer_grammar.h"
#include "check.h"
#include "models.h"
#include "sampler.h"
#include "tiny_model.h"

#include <atomic>
#include <random>
#include <stdexcept>

using namespace overfill;
using namespace overfill::test;

namespace {

using kind = grammar_trigger::kind;

struct fixture {
    model_path path{ tiny_model() };
    model_ptr model = load_model({ path.str(), 0 }, load_depth::metadata, [](float) { return true; });
    const llama_vocab * vocab = llama_model_get_vocab(model.get());
    int32_t n_vocab = llama_vocab_n_tokens(vocab);
    std::shared_ptr<token_pieces> pieces = std::make_shared<token_pieces>(vocab);

    // One token a byte; {n} is the token n.
    std::vector<llama_token> spell(const std::string & text) const {
        std::vector<llama_token> tokens;
        for (size_t i = 0; i < text.size(); i++) {
            const size_t end = text[i] == '{' ? text.find('}', i) : std::string::npos;
            if (end == std::string::npos) {
                tokens.push_back(3 + (unsigned char) text[i]);
            } else {
                tokens.push_back(std::stoi(text.substr(i + 1, end - i - 1)));
                i = end;
            }
        }
        return tokens;
    }

    answer_grammar ours(const sampling_options & options, std::function<bool()> stopped = nullptr) const {
        return answer_grammar(options, vocab, pieces, std::move(stopped));
    }

    std::vector<uint8_t> allowed(answer_grammar & grammar) const {
        return grammar.sleeps() ? std::vector<uint8_t>((size_t) n_vocab, 1) : grammar.allowed();
    }
    std::vector<uint8_t> allowed(llama_sampler * grammar) const {
        std::vector<llama_token_data> all((size_t) n_vocab);
        for (int32_t i = 0; i < n_vocab; i++) all[(size_t) i] = { i, 0.0f, 0.0f };
        llama_token_data_array array = { all.data(), all.size(), -1, false };
        llama_sampler_apply(grammar, &array);
        std::vector<uint8_t> out((size_t) n_vocab);
        for (const llama_token_data & one : all) out[(size_t) one.id] = one.logit == 0.0f;
        return out;
    }
};

std::string repeated(const std::string & text, int n) {
    std::string out;
    for (int i = 0; i < n; i++) out += text;
    return out;
}

sampling_options lazy(const std::string & grammar, std::vector<grammar_trigger> triggers) {
    sampling_options options;
    options.temperature = 0;
    options.grammar = grammar;
    options.grammar_lazy = true;
    options.grammar_triggers = std::move(triggers);
    return options;
}

// As common_sampler_init hands them to llama.cpp.
llama_sampler * theirs(const llama_vocab * vocab, const sampling_options & options) {
    std::vector<std::string> patterns;
    std::vector<llama_token> tokens;
    for (const grammar_trigger & trigger : options.grammar_triggers) {
        const std::string & text = trigger.value;
        if (trigger.is == kind::token)
            tokens.push_back(trigger.token);
        else if (trigger.is == kind::word)
            patterns.push_back(std::regex_replace(text, std::regex("[.^$|()*+?\\[\\]{}\\\\]"), "\\$&"));
        else if (trigger.is == kind::pattern)
            patterns.push_back(text);
        else
            patterns.push_back((text[0] == '^' ? "" : "^") + text + (text.back() == '$' ? "" : "$"));
    }
    std::vector<const char *> c_patterns;
    for (const std::string & pattern : patterns) c_patterns.push_back(pattern.c_str());
    return llama_sampler_init_grammar_lazy_patterns(vocab, options.grammar.c_str(), "root", c_patterns.data(),
                                                    c_patterns.size(), tokens.data(), tokens.size());
}

// llama.cpp's llama_grammar_trigger_pattern::find.
std::optional<size_t> expected_place(const std::string & pattern, const std::string & text) {
    const std::regex regex(pattern);
    std::smatch match;
    const bool whole = !pattern.empty() && pattern.front() == '^' && pattern.back() == '$';
    if (!(whole && std::regex_match(text, match, regex)) && !std::regex_search(text, match, regex)) return std::nullopt;
    for (size_t i = 1; i < match.size(); i++)
        if (match.length(i) > 0) return (size_t) match.position(i);
    return (size_t) match.position(0);
}

}  // namespace

TEST("a lazy grammar allows at every token what llama.cpp's allows, whatever wakes it") {
    const fixture f;
    const char * call = "root ::= \"<call>\" [a-z]+ \"</call>\"";
    const char * words = "root ::= \"w\" [0-9]+ \"!\"";
    const struct {
        sampling_options options;
        const char * answer;
    } cases[] = {
        { lazy(call, { { kind::word, "<call>" } }), "hello <call>abc</call>" },
        { lazy(call, { { kind::word, "<call>" } }), "<call>a" },
        { lazy(call, { { kind::word, "<call>" } }), "<cal <calx> no" },
        { lazy(call, { { kind::word, "<call>" }, { kind::word, "[call]" } }), "see <<call>ab" },
        { lazy("root ::= \"[TOOL.*\" [0-9]", { { kind::word, "[TOOL.*" } }), "[TOOLS [TOOL.*7" },
        // A token that is more than the trigger: its end alone, its beginning cut off, both.
        { lazy(words, { { kind::word, "w1" } }), "x{260}2!" },
        { lazy(words, { { kind::word, "w" } }), "x{300}7!" },
        { lazy(words, { { kind::pattern, "x ?(w)" } }), "ax{300}7!" },
        // The first group that matched something; a group that matched nothing; no group.
        { lazy("root ::= \"b\" [c-e]+", { { kind::pattern, "(x)?a(b)" } }), "zabcd" },
        { lazy("root ::= \"xab\" [c-e]+", { { kind::pattern, "(x)?a(b)" } }), "zxabcd" },
        { lazy("root ::= \"ab\" [c-e]+", { { kind::pattern, "a()b" } }), "zabcd" },
        { lazy("root ::= [\\n<]+ \"c\"", { { kind::pattern, "\\n+(?=<)" } }), "a\n\n<c" },
        { lazy("root ::= \">>>\" [b-z]+", { { kind::pattern, ">>>(?!all)" } }), "a>>>b" },
        { lazy("root ::= \" to=\" [a-z.]+", { { kind::pattern, "(?:^|<s>)( to=)" } }), "x to=a{1} to=b.c" },
        { lazy("root ::= \" to=\" [a-z.]+", { { kind::pattern, "(?:^|<s>)( to=)" } }), " to=b.c" },
        { lazy("root ::= \"  to=\" [a-z]", { { kind::pattern, "^\\s+to$" } }), "  to=a" },
        { lazy("root ::= \"ab\" \"c\"+", { { kind::whole_pattern, "[ab]+" } }), "xab" },
        { lazy("root ::= \"b\" \"c\"+", { { kind::whole_pattern, "a(b)" } }), "abccc" },
        { lazy("root ::= \"b\" \"c\"+", { { kind::whole_pattern, "^a(b)$" } }), "abccc" },
        // Tokens, with whole tokens in the grammar, and beside texts.
        { lazy("root ::= \" w5\" [0-9]", { { kind::token, "", 264 } }), "ab{1}{264}7" },
        { lazy("root ::= <[1]> [a-c]+", { { kind::token, "", 1 } }), "ab{1}abc" },
        { lazy("root ::= <[264]> [a-c]+ <[1]>", { { kind::word, "w5" } }), "x{264}abc{1}" },
        { lazy("root ::= \"<s>\" [a-c]+", { { kind::word, "<s>" }, { kind::token, "", 264 } }), "x<s{1}abc" },
        // What wakes it does not follow it.
        { lazy("root ::= \"x\"", { { kind::word, "w" } }), "aw" },
        { lazy("root ::= \"w\" [a-z]", { { kind::word, "w" } }), "a{264}" },
        { lazy("root ::= \"x\"", { { kind::token, "", 264 } }), "a{264}" },
        // Characters of several bytes.
        { lazy("root ::= \"\xC3\xA9\" [\xC3\xA0-\xC3\xBF]+", { { kind::word, "\xC3\xA9" } }), "caf\xC3\xA9\xC3\xA8" },
        { lazy("root ::= \"\xE2\x82\xAC\" \"a\"", { { kind::pattern, "x(.)" } }), "yx\xE2\x82\xAC"
                                                                                  "a" },
    };
    for (const auto & one : cases) {
        std::unique_ptr<llama_sampler, void (*)(llama_sampler *)> expected(theirs(f.vocab, one.options),
                                                                           llama_sampler_free);
        answer_grammar found = f.ours(one.options);
        CHECK(found.sleeps());
        for (const llama_token token : f.spell(one.answer)) {
            bool refused = false;
            try {
                llama_sampler_accept(expected.get(), token);
            } catch (const std::runtime_error &) {
                refused = true;
            }
            if (refused) {
                CHECK_FAILURE(error_code::inference_failed, found.accept(token));
                break;
            }
            found.accept(token);
            if (f.allowed(found) != f.allowed(expected.get())) {
                CHECK_EQUAL(std::string(one.answer), "to be followed as llama.cpp does, token " +
                                                         std::to_string(token) + ", " + one.options.grammar);
                break;
            }
        }
    }
}

TEST("a trigger is found at the same token and place as by a search in the whole answer") {
    std::mt19937 random(11);
    const auto pick = [&](std::initializer_list<const char *> from) { return std::data(from)[random() % from.size()]; };
    for (int round = 0; round < 3000; round++) {
        std::string pattern = pick({ "", "", "^" });
        for (size_t i = 1 + random() % 4; i > 0; i--)
            pattern += pick({ "a",     "b",       "ab",     "ba",      "\\.",         "(a)", "(ab)", "(?:ab)",
                              "(a|b)", "(?:b|^)", "[ab]",   "[^\\]a]", "[[:alpha:]]", ".",   "\\w",  "\\x61",
                              "\\b",   "(?=b)",   "(?!ab)", "|",       "(a(b)a)",     "\\s" });
        if (random() % 2) {
            const std::string quantified = pattern + pick({ "*", "+", "?", "{2}", "{0,1}", "*?" });
            try {
                std::regex valid(quantified);
                pattern = quantified;
            } catch (const std::regex_error &) {
            }
        }
        pattern += pick({ "", "", "a", "(b)", "$" });
        text_trigger trigger = text_trigger::pattern(pattern);
        std::string text;
        while (text.size() < 12) {
            text += pick({ "a", "b", "ab", ".", " ", "x" });
            const auto expected = expected_place(pattern, text), found = trigger.find(text, nullptr);
            if (found != expected) {
                CHECK_EQUAL(pattern, "to match " + text);
                return;
            }
            if (found) break;
        }
    }
    CHECK(true);
}

TEST("the texts that stand in every match are read from an expression") {
    const auto joined = [](const std::string & expression) {
        std::string out;
        for (const std::string & text : texts_of(expression)) out += (out.empty() ? "" : " ") + text;
        return out;
    };
    CHECK_EQUAL(joined("abc"), std::string("abc"));
    CHECK_EQUAL(joined("ab*c+d?e{2}f"), std::string("a c f"));
    CHECK_EQUAL(joined("<\\|start\\|>assistant(\\s+to)"), std::string("<|start|>assistant to"));
    CHECK_EQUAL(joined("(?:^|x)( to=(?!self)[^<]*?<\\|m\\|>)"), std::string(" to= <|m|>"));
    CHECK_EQUAL(joined("a(b|c)d(?:e)?[x)y]f"), std::string("a d f"));
    CHECK_EQUAL(joined("a|b"), std::string());
    CHECK_EQUAL(joined("\\u0061b\\x63d\\1"
                       "2e"),
                std::string("b d e"));
}

TEST("a long answer overflows no stack, and an expression that backtracks without end is refused or stopped") {
    const std::string text(100000, 'a');
    CHECK(!text_trigger::pattern("(?:a|b)*c").find(text.substr(0, 3000), nullptr).has_value());
    CHECK_EQUAL(text_trigger::pattern("^(?:a|b)*c?(a)").find(text, nullptr).value(), text.size() - 1);
    // So deep that no stack would do.
    const std::string nested = "^" + repeated("(", 40) + "a" + repeated(")", 40) + "*[b]";
    CHECK_FAILURE(error_code::grammar_invalid, text_trigger::pattern(nested).find(text, nullptr));
    text_trigger endless = text_trigger::pattern("^(?:a|aa)*$|(?:a*)*(b|c)");
    CHECK_FAILURE(error_code::grammar_invalid, endless.find(text.substr(0, 200) + ".", nullptr));
    std::atomic<int> n_asked{ 0 };
    CHECK_FAILURE(error_code::aborted, endless.find(text.substr(0, 200) + ".", [&] { return ++n_asked == 3; }));
    CHECK_EQUAL(n_asked.load(), 3);
    // A text far behind the beginning.
    const std::string later = text + text + "<call>";
    CHECK_EQUAL(text_trigger::pattern("<(call)>").find(later, nullptr).value(), later.size() - 5);
    CHECK_EQUAL(text_trigger::word("<call>").find(later, nullptr).value(), later.size() - 6);
    CHECK(!text_trigger::pattern("^[^<]*<(call)>").find(later, nullptr).has_value());
}

TEST("a broken expression, one too long, a token that is none and no trigger at all are refused") {
    const fixture f;
    for (const std::string & broken : { std::string("("), std::string("[a"), std::string(5000, 'a') })
        CHECK_FAILURE(error_code::grammar_invalid, f.ours(lazy("root ::= \"a\"", { { kind::pattern, broken } })));
    text_trigger::pattern(std::string(1000, '(') + "a" + std::string(1000, ')'));
    CHECK_FAILURE(error_code::grammar_invalid, f.ours(lazy("root ::= \"a\"", {})));
    CHECK_FAILURE(error_code::invalid_argument, f.ours(lazy("root ::= \"a\"", { { kind::token, "", f.n_vocab } })));
    CHECK_FAILURE(error_code::invalid_argument, f.ours(lazy("root ::= \"a\"", { { kind::token, "two tokens" } })));
    answer_grammar by_text = f.ours(lazy("root ::= \"<s>\" \"a\"", { { kind::token, "<s>" } }));
    by_text.accept(1);
    CHECK(!by_text.sleeps());
}

TEST("the sampler asks a sleeping grammar nothing, and a continued answer wakes as it would have") {
    const fixture f;
    std::vector<float> logits((size_t) f.n_vocab, 0.0f);
    const auto likeliest = [&](llama_token token) {
        std::fill(logits.begin(), logits.end(), 0.0f);
        logits[(size_t) token] = 9.0f;
        return logits.data();
    };
    const sampling_options options = lazy("root ::= \"<c>\" \"x\"", { { kind::word, "<c>" } });
    const std::vector<llama_token> answer = f.spell("ab<c>");
    for (size_t n_before = 0; n_before <= answer.size(); n_before++) {
        sampler s(f.model.get(), options, 1024, f.pieces);
        s.resume({ answer.begin(), answer.begin() + (long) n_before }, {});
        for (size_t i = n_before; i < answer.size(); i++) {
            CHECK(!s.over());
            CHECK_EQUAL(s.sample(likeliest(answer[i])).value(), answer[i]);
            s.accept(answer[i]);
        }
        CHECK_EQUAL(s.sample(likeliest(f.spell("z")[0])).value(), f.spell("x")[0]);
        s.accept(f.spell("x")[0]);
        CHECK(s.over());
    }
}
