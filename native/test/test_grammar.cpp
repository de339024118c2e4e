// Grammars: what they allow beside llama.cpp's own matcher, what is refused and where, and the budget.
#include "check.h"
#include "grammar_matcher.h"
#include "models.h"
#include "tiny_model.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <random>

using namespace overfill;
using namespace overfill::test;

namespace {

struct fixture {
    model_path path{ tiny_model() };
    model_ptr model = load_model({ path.str(), 0 }, load_depth::metadata, [](float) { return true; });
    const llama_vocab * vocab = llama_model_get_vocab(model.get());
    int32_t n_vocab = llama_vocab_n_tokens(vocab);
    std::shared_ptr<token_pieces> pieces = std::make_shared<token_pieces>(vocab);

    grammar_matcher matcher(const std::string & text, std::function<bool()> stopped = nullptr) const {
        return grammar_matcher(parse_grammar(text, vocab), vocab, pieces, std::move(stopped));
    }

    // What llama.cpp allows.
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

}  // namespace

TEST("a grammar allows what llama.cpp's matcher allows, token by token") {
    const fixture f;
    const char * grammars[] = {
        "root ::= [0-9]+",
        "root ::= \"yes\" | \"no\" | \"yes, no\"",
        "root ::= \"{\" ws (pair (\",\" ws pair)*)? \"}\"\npair ::= \"\\\"\" [a-z]{1,3} \"\\\":\" ws value\n"
        "value ::= [0-9]{1,2} | \"[\" (value (\",\" value)*)? \"]\"\nws ::= [ \\t]*  # space",
        "root ::= ([A-Z] [ -~]){2,5} \"\\x41\\u0042\"?",
        "root ::= (\"a\"? \"b\"*){0,4} [x-z]",
        "root ::= (\n \"a\" # one\n | [\\u00e0-\\u00ff]+ | \"\\u4e2d\\u6587\"\n)+",
        "root ::= x{3} y{2,} z{,}\nx ::= [ab]\ny ::= [c-f] | x\nz ::= \"!\"",
        "root ::= \"(\" root \")\" | \"x\"",
        "root ::= (([a-c]*)+ \",\")* \"end\"",
    };
    std::mt19937 random(3);
    for (const char * text : grammars) {
        if (std::string(text).find("{,}") != std::string::npos) {
            CHECK_FAILURE(error_code::grammar_invalid, f.matcher(text));
            continue;
        }
        for (int run = 0; run < 4; run++) {
            std::unique_ptr<llama_sampler, void (*)(llama_sampler *)> theirs(
                llama_sampler_init_grammar(f.vocab, text, "root"), llama_sampler_free);
            grammar_matcher ours = f.matcher(text);
            for (int step = 0; step < 25; step++) {
                const std::vector<uint8_t> expected = f.allowed(theirs.get()), found = ours.allowed();
                if (found != expected) {
                    CHECK_EQUAL(std::string(text), "to allow the same");
                    break;
                }
                std::vector<llama_token> choices;
                for (llama_token token = 0; token < f.n_vocab; token++) {
                    if (ours.allows(token) != (bool) found[(size_t) token]) CHECK_EQUAL(token, -1);
                    if (found[(size_t) token] && !llama_vocab_is_eog(f.vocab, token)) choices.push_back(token);
                }
                if (choices.empty()) {
                    CHECK(ours.may_end());
                    break;
                }
                const llama_token token = choices[random() % choices.size()];
                llama_sampler_accept(theirs.get(), token);
                ours.accept(token);
            }
        }
    }
}

TEST("bytes that begin a character can always go on, around surrogates and the ends of classes too") {
    const fixture f;
    std::map<unsigned char, llama_token> bytes;
    for (llama_token token = 0; token < f.n_vocab; token++)
        if (const std::string piece = piece_of(f.vocab, token); piece.size() == 1 && (unsigned char) piece[0] >= 0x80)
            bytes[(unsigned char) piece[0]] = token;
    CHECK(bytes.count(0xED) == 1 && bytes.count(0xA0) == 1);
    const char * grammars[] = { "root ::= .+", "root ::= [^a]+", "root ::= [\\ud000-\\ud900]+",
                                "root ::= [\\udf00-\\ue001\\U0010fffe]+" };
    for (const char * text : grammars) {
        // Every way to begin a character with two bytes.
        for (const auto & [first, first_token] : bytes)
            for (const auto & [second, second_token] : bytes) {
                grammar_matcher matcher = f.matcher(text);
                if (!matcher.allows(first_token)) continue;
                matcher.accept(first_token);
                if (!matcher.allows(second_token)) continue;
                matcher.accept(second_token);
                const std::vector<uint8_t> & allowed = matcher.allowed();
                CHECK(std::find(allowed.begin(), allowed.end(), 1) != allowed.end());
            }
        for (const auto & [first, token] : bytes) {
            grammar_matcher matcher = f.matcher(text);
            if (!matcher.allows(token)) continue;
            matcher.accept(token);
            const std::vector<uint8_t> & allowed = matcher.allowed();
            CHECK(std::find(allowed.begin(), allowed.end(), 1) != allowed.end());
        }
    }
    grammar_matcher none = f.matcher("root ::= [\\ud800-\\udfff]");
    CHECK(!none.allows(bytes[0xED]));
}

TEST("an error tells llama.cpp's reason, the line and the column") {
    const fixture f;
    const struct {
        const char *text, *place, *reason;
    } cases[] = {
        { "root ::= \"a\" | | \"b\" )", "line 1, column 22", "expecting newline or end" },
        { "root ::= answer\nansewr ::= \"yes\"", "line 1, column 10", "Undefined rule identifier 'answer'" },
        { "root ::= \"yes", "line 1, column 14", "unexpected end of input" },
        { "# caf\xC3\xA9 first\nroot ::= \"\xC3\xA9\" [z-a]", "line 2, column 15", "from a higher to a lower" },
        { "root ::= \"\\q\"", "line 1, column 11", "unknown escape" },
        { "root ::= \"\\xZZ\"", "line 1, column 13", "expecting 2 hex chars" },
        { "root ::= *", "line 1, column 10", "expecting preceding item" },
        { "root ::= \"a\"{3,1}", "line 1, column 13", "at most 1 repetitions" },
        { "root ::= <[999999]>", "line 1, column 10", "outside the vocabulary" },
        { "root ::= \"a\"\nx = \"b\"", "line 2, column 3", "expecting ::=" },
        { "a ::= \"b\"", "line 1, column 1", "'root'" },
        { "root ::= \"x\"\ny ::= e y \"a\"\ne ::= e2\ne2 ::= \"\"", "line 2, column 1", "left recursion" },
    };
    for (const auto & one : cases) {
        const std::string message = CHECK_FAILURE(error_code::grammar_invalid, f.matcher(one.text));
        if (message.find(one.place) == std::string::npos || message.find(one.reason) == std::string::npos)
            CHECK_EQUAL(message, std::string(one.place) + ": " + one.reason);
    }
}

TEST("rules that end in themselves are no left recursion, and empty loops end") {
    const fixture f;
    CHECK(f.matcher("root ::= (\"\")*").over());
    CHECK(f.matcher("root ::= \"\"").over());
    CHECK(!f.matcher("root ::= ((\"a\"*)*)*").over());
    CHECK(!f.matcher("root ::= x\nx ::= y \"a\"\ny ::= \"c\" x | \"c\"").may_end());
    CHECK_FAILURE(error_code::grammar_invalid, f.matcher("root ::= x\nx ::= y \"a\"\ny ::= x \"b\" | \"c\""));
}

TEST("a token is matched whole or by its characters, and never in the middle of another") {
    const fixture f;
    grammar_matcher m = f.matcher("root ::= \"A\" !<[68]> [a-z]");
    const llama_token a = 'A' + 3, b = 'a' + 3;
    CHECK(m.allows(a) && !m.allows(b));
    m.accept(a);
    CHECK(!m.allows(68) && m.allows(b));
    // Whatever is allowed can be accepted.
    const std::vector<uint8_t> allowed = m.allowed();
    for (llama_token token = 0; token < f.n_vocab; token++)
        if (allowed[(size_t) token]) {
            grammar_matcher other = f.matcher("root ::= \"A\" !<[68]> [a-z]");
            other.accept(a);
            other.accept(token);
        }
    CHECK_FAILURE(error_code::internal, m.accept(68));
}

TEST("grammars that are hard on llama.cpp's matcher are followed within the budget") {
    const fixture f;
    for (const std::string & text :
         { "root ::= " + repeated("[a-z]? ", 1900), std::string("root ::= x{2000}\nx ::= [a-z ]?"),
           std::string("root ::= (((([a-z]{0,9}){0,9}){0,9}){0,9})"), std::string("root ::= ((\"a\"?){0,50}){0,50}"),
           std::string("root ::= a a a a a a a a a a a a\na ::= b | b b\nb ::= c | c c\nc ::= d | d d\n"
                       "d ::= [a-z ]+ | [a-z]* [ ]*") }) {
        grammar_matcher m = f.matcher(text);
        for (int i = 0; i < 60; i++) {
            CHECK(m.allows('a' + 3));
            m.allowed();
            m.accept('a' + 3);
        }
    }
}

TEST("a grammar over the budget is refused, and one that is stopped ends at once") {
    const fixture f;
    const std::string wild = "root ::= " + repeated("(", 5) + "[a-z]{0,40}" + repeated("){0,40}", 5);
    CHECK_FAILURE(error_code::grammar_invalid, f.matcher(wild));
    int n_asked = 0;
    CHECK_FAILURE(error_code::aborted, f.matcher(wild, [&] { return ++n_asked == 3; }));
    CHECK_EQUAL(n_asked, 3);
}

TEST("a long answer stays within the tables, and an answer deep inside a rule goes on") {
    const fixture f;
    grammar_matcher m = f.matcher("root ::= \"(\" root \")\" | \"x\"");
    for (int i = 0; i < 200000; i++) m.accept('(' + 3);
    m.accept('x' + 3);
    for (int i = 0; i < 200000; i++) m.accept(')' + 3);
    CHECK(m.over());
}
