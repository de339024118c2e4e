// The budget for reasoning: what it forces and when, and what a grammar sees of reasoning.
#include "answer_trace.h"
#include "check.h"
#include "models.h"
#include "sampler.h"
#include "tiny_model.h"

#include <random>

using namespace overfill;
using namespace overfill::test;

namespace {

// With a token for the space that the vocabulary puts before a text, so that it can be left out.
tiny_model with_space() {
    tiny_model model;
    model.odd_token = "\xe2\x96\x81";
    return model;
}

struct fixture {
    model_path path{ with_space() };
    model_ptr model = load_model({ path.str(), 0 }, load_depth::metadata, [](float) { return true; });
    const llama_vocab * vocab = llama_model_get_vocab(model.get());
    int32_t n_vocab = llama_vocab_n_tokens(vocab);

    std::vector<llama_token> spell(const std::string & text) const {
        std::vector<llama_token> tokens;
        for (const unsigned char byte : text) tokens.push_back(3 + byte);
        return tokens;
    }
    // The tokens of an answer of a model that would write `wanted`, as long as that is; `n_resumed` of it in a decode
    // before.
    std::vector<llama_token> write(const sampling_options & options, const std::vector<llama_token> & wanted,
                                   size_t n_resumed = 0) const {
        std::vector<llama_token> out;
        std::vector<float> logits((size_t) n_vocab);
        auto made = std::make_unique<sampler>(model.get(), options, 1024);
        for (size_t i = 0; i < wanted.size(); i++) {
            if (i == n_resumed && i > 0) {
                made = std::make_unique<sampler>(model.get(), options, 1024);
                made->resume(out, {});
            }
            if (made->over()) break;
            std::fill(logits.begin(), logits.end(), 0.0f);
            logits[(size_t) wanted[i]] = 30.0f;
            const auto token = made->sample(logits.data());
            if (!token || (llama_vocab_is_eog(vocab, *token) && !options.ignore_eos)) break;
            made->accept(*token);
            out.push_back(*token);
        }
        return out;
    }
    std::string text(const sampling_options & options, const std::string & wanted, size_t n_resumed = 0) const {
        std::string out;
        for (const llama_token token : write(options, spell(wanted), n_resumed)) out += piece_of(vocab, token);
        return out;
    }
};

sampling_options reasoning(int32_t budget, bool inside, float temperature = 0) {
    sampling_options options;
    options.temperature = temperature;
    options.has_seed = true;
    options.reasoning = reasoning_options{ budget, { "<t>", "<u>" }, { "</t>", "</u>" }, "", inside };
    return options;
}

}  // namespace

TEST("a spent budget forces the first end tag, greedily or not, and what follows is free") {
    const fixture f;
    for (const float temperature : { 0.0f, 0.8f }) {
        CHECK_EQUAL(f.text(reasoning(4, true, temperature), "aaaaaaaaaaaa"), std::string("aaaa</t>aaaa"));
        CHECK_EQUAL(f.text(reasoning(0, true, temperature), "aaaaaaaa"), std::string("</t>aaaa"));
        CHECK_EQUAL(f.text(reasoning(2, false, temperature), "x<t>aaaaaaaa"), std::string("x<t>aa</t>aa"));
        CHECK_EQUAL(f.text(reasoning(0, false, temperature), "<u>aaaaaa"), std::string("<u></t>aa"));
    }
}

TEST("reasoning that ends by itself is left alone, and so is all of it without a limit") {
    const fixture f;
    CHECK_EQUAL(f.text(reasoning(9, true), "aa</u>bbbbbbbbbbbbb"), std::string("aa</u>bbbbbbbbbbbbb"));
    CHECK_EQUAL(f.text(reasoning(9, false), "aaaaaaaaaaaaaa"), std::string("aaaaaaaaaaaaaa"));
    CHECK_EQUAL(f.text(reasoning(-1, true), "aaaaaaaaaaaaaa"), std::string("aaaaaaaaaaaaaa"));
    // Every start tag has a budget of its own.
    CHECK_EQUAL(f.text(reasoning(5, true), "a</t>b<t>ccccccccccc"), std::string("a</t>b<t>ccccc</t>cc"));
}

TEST("tags are the tokens that their text stands for, and a message comes before the end") {
    const fixture f;
    sampling_options options = reasoning(1, false);
    options.reasoning = reasoning_options{ 1, { "<s>" }, { "</s>" }, "so", false };
    options.ignore_eos = true;
    const llama_token bos = llama_vocab_bos(f.vocab), eos = llama_vocab_eos(f.vocab), a = f.spell("a")[0];
    const std::vector<llama_token> so = f.spell("so");
    CHECK(f.write(options, { bos, a, a, a, a, a }) == std::vector<llama_token>({ bos, a, so[0], so[1], eos, a }));
}

TEST("a budget does not end within a character") {
    const fixture f;
    // A byte alone tells nothing of a character's end, so one more token is waited for.
    CHECK_EQUAL(f.text(reasoning(1, true), "\xC3\xA9zzzzzz"), std::string("\xC3\xA9z</t>z"));
}

TEST("an end that a bias forbids is forced all the same; one that a grammar forbids is an error") {
    const fixture f;
    sampling_options options = reasoning(1, true);
    options.logit_bias = { { f.spell("<")[0], -INFINITY } };
    CHECK_EQUAL(f.text(options, "aaaaaaa"), std::string("a</t>aa"));
    options.grammar = "root ::= [a-z]+";
    CHECK_FAILURE(error_code::inference_failed, f.text(options, "aaaaaaa"));
    options.grammar = "root ::= [a-z]+ \"</t>\" [0-9]+";
    CHECK(f.text(options, "aaaaa34").substr(0, 5) == "a</t>");
    options.reasoning->end_tags = {};
    CHECK_FAILURE(error_code::invalid_argument, f.text(options, "a"));
}

TEST("a lazy grammar reads no reasoning, but the tag that ends it") {
    const fixture f;
    sampling_options options = reasoning(-1, true);
    options.grammar = "root ::= \"<c>\" [0-9] \"!\"";
    options.grammar_lazy = true;
    options.grammar_triggers = { { grammar_trigger::kind::word, "<c>" } };
    CHECK_EQUAL(f.text(options, "a<c>x</t>b<c>1!"), std::string("a<c>x</t>b<c>1!"));
    CHECK(f.text(options, "a<c>x</t>b<c>x!").substr(0, 13) == "a<c>x</t>b<c>" && f.text(options, "</t><c>x")[7] != 'x');
    // Reasoning that ends by the call itself.
    options.reasoning->end_tags = { "</t>", "<c>" };
    CHECK_EQUAL(f.text(options, "a<c>1!"), std::string("a<c>1!"));
    CHECK(f.text(options, "a<c>x!")[4] != 'x');
}

TEST("an answer in two parts goes on within its reasoning, wherever it was cut") {
    const fixture f;
    for (const bool inside : { false, true })
        for (const int32_t budget : { 0, 3, 6, -1 }) {
            sampling_options options = reasoning(budget, inside);
            options.grammar = "root ::= \"<c>\" [0-9]+";
            options.grammar_lazy = true;
            options.grammar_triggers = { { grammar_trigger::kind::word, "<c>" } };
            const std::string wanted = "ab<t>cdef<c></u>g<c>123456", whole = f.text(options, wanted);
            for (size_t cut = 1; cut < wanted.size(); cut++) CHECK_EQUAL(f.text(options, wanted, cut), whole);
        }
}

TEST("other rules begin anew where an answer goes on") {
    answer_trace trace;
    sampling_options first = reasoning(5, true);
    CHECK_EQUAL(trace.begin(first, 0).n_before_rules, 0u);
    trace.set_seed(0);
    for (int i = 0; i < 3; i++) trace.add({});
    sampling_options next = first;
    CHECK_EQUAL(trace.begin(next, 3).n_before_rules, 0u);
    next.reasoning->budget = 6;
    CHECK_EQUAL(trace.begin(next, 3).n_before_rules, 3u);
}

TEST("the prompt's end is the beginning of what a grammar and a budget see") {
    const fixture f;
    sampling_options options = reasoning(3, false);
    options.generation_prompt = "say: <t>a";
    CHECK_EQUAL(f.text(options, "bbbbbbbb"), std::string("bb</t>bb"));
    options.grammar = "root ::= \"say: <t>\" [a-b]+ \"</t>\" [0-9]+";
    CHECK(f.text(options, "bbbbbb7").substr(0, 6) == "bb</t>");
    options.generation_prompt = "other";
    CHECK_FAILURE(error_code::grammar_invalid, f.text(options, "b"));
    // A lazy one has not begun.
    options.grammar = "root ::= \"<t>\" [0-9]";
    options.grammar_lazy = true;
    options.grammar_triggers = { { grammar_trigger::kind::word, "<t>" } };
    options.generation_prompt = "<t>";
    options.reasoning->budget = 9;
    CHECK_EQUAL(f.text(options, "bb</t>b"), std::string("bb</t>b"));
}
