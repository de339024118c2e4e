// A GBNF grammar, and a few tokens under it.
#include "fuzz_target.h"
#include "grammar_matcher.h"
#include "models.h"
#include "tiny_model.h"

using namespace overfill;
using namespace overfill::test;

namespace {

struct fixture {
    model_path path{ tiny_model() };
    model_ptr model = load_model({ path.str(), 0 }, load_depth::metadata, [](float) { return true; });
    const llama_vocab * vocab = llama_model_get_vocab(model.get());
    std::shared_ptr<token_pieces> pieces = std::make_shared<token_pieces>(vocab);
};

}  // namespace

void overfill::test::fuzz_one(const std::string & bytes) {
    static const fixture f;
    read_or_refuse([&] {
        grammar_matcher matcher(parse_grammar(bytes, f.vocab), f.vocab, f.pieces, nullptr);
        for (uint32_t i = 0; i < 8 && !matcher.over(); i++) {
            const std::vector<uint8_t> & allowed = matcher.allowed();
            const auto n_vocab = (llama_token) allowed.size();
            // Another place each time, so that not always the first alternative is taken. What ends an answer is not
            // accepted.
            llama_token token = (llama_token) i * 37 % n_vocab, n_seen = 0;
            while (n_seen < n_vocab && (!allowed[(size_t) token] || llama_vocab_is_eog(f.vocab, token))) {
                token = (token + 1) % n_vocab;
                n_seen++;
            }
            if (n_seen == n_vocab) break;
            demand(matcher.allows(token), "what is in the list is allowed");
            matcher.accept(token);
        }
    });
}

std::vector<std::string> overfill::test::fuzz_seeds() {
    return {
        "root ::= [0-9]+",
        "root ::= \"yes\" | \"no\" | \"yes, no\"",
        "root ::= \"{\" ws (pair (\",\" ws pair)*)? \"}\"\npair ::= \"\\\"\" [a-z]{1,3} \"\\\":\" ws value\n"
        "value ::= [0-9]{1,2} | \"[\" (value (\",\" value)*)? \"]\"\nws ::= [ \\t]*  # space",
        "root ::= ([A-Z] [ -~]){2,5} \"\\x41\\u0042\\U00000043\"?",
        "root ::= (\n \"a\" # one\n | [\\u00e0-\\u00ff]+ | \"\\u4e2d\\u6587\"\n)+",
        "root ::= x{3} y{2,} z{,}\nx ::= [^ab]\ny ::= [c-f] | x\nz ::= . \"!\"",
        "root ::= <[5]> !<[300]> | \"(\" root \")\"",
    };
}
