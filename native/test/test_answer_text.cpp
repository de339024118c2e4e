// Text that may be shown: whole characters, nothing of a stop string, tokens with their text.
#include "answer_text.h"
#include "check.h"
#include "models.h"
#include "text.h"
#include "tiny_model.h"

#include <random>

using namespace overfill;
using namespace overfill::test;

namespace {

struct vocabulary {
    model_path path{ tiny_model() };
    model_ptr model = load_model({ path.str(), 0 }, load_depth::metadata, [](float) { return true; });

    const llama_vocab * get() const { return llama_model_get_vocab(model.get()); }
    // The byte-level vocabulary spells any text, one token a byte.
    std::vector<llama_token> spell(const std::string & text) const {
        std::vector<llama_token> tokens;
        for (const unsigned char byte : text) tokens.push_back(3 + byte);
        return tokens;
    }
};

struct shown {
    std::string text;
    std::vector<llama_token> tokens;
    size_t n_after_stop = 0;
};

shown show(const vocabulary & v, const std::string & text, const std::vector<std::string> & stop,
           bool * whole = nullptr) {
    answer_text answer(v.get(), stop, false);
    shown out;
    for (const llama_token token : v.spell(text)) {
        if (answer.append(token)) break;
        answer.release(out.text, out.tokens);
        if (whole && whole_utf8_prefix(out.text) != out.text.size()) *whole = false;
    }
    out.n_after_stop = answer.n_tokens_after_stop();
    answer.release_all(out.text, out.tokens, false);
    return out;
}

}  // namespace

TEST("a prefix of whole characters leaves a begun one out") {
    const std::string euro = "\xE2\x82\xAC", grin = "\xF0\x9F\x98\x80";
    CHECK_EQUAL(whole_utf8_prefix(""), 0u);
    CHECK_EQUAL(whole_utf8_prefix("abc"), 3u);
    CHECK_EQUAL(whole_utf8_prefix("a" + euro), 4u);
    CHECK_EQUAL(whole_utf8_prefix("a" + euro.substr(0, 2)), 1u);
    CHECK_EQUAL(whole_utf8_prefix("a" + grin.substr(0, 3)), 1u);
    CHECK_EQUAL(whole_utf8_prefix("a" + grin.substr(0, 1)), 1u);
}

TEST("bytes that are no UTF-8 are not waited for") {
    CHECK_EQUAL(whole_utf8_prefix("a\x80"), 2u);
    CHECK_EQUAL(whole_utf8_prefix("a\xC0"), 2u);
    CHECK_EQUAL(whole_utf8_prefix("a\xFF"), 2u);
    CHECK_EQUAL(whole_utf8_prefix("a\xE0\x80"), 3u);
    CHECK_EQUAL(whole_utf8_prefix("a\xED\xA0"), 3u);
    CHECK_EQUAL(whole_utf8_prefix("a\xF4\x90"), 3u);
}

TEST("emoji and right-to-left text come out whole, byte tokens or not") {
    const vocabulary v;
    const std::string text =
        "ok \xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x9A\x80 \xD7\xA9\xD7\x9C\xD7\x95\xD7\x9D \xD8\xA7";
    bool whole = true;
    const shown out = show(v, text, {}, &whole);
    CHECK_EQUAL(out.text, text);
    CHECK(whole);
    CHECK(out.tokens == v.spell(text));
}

TEST("a stop string ends the text before it, and its tokens are counted") {
    const vocabulary v;
    shown out = show(v, "hello STOP more", { "STOP" });
    CHECK_EQUAL(out.text, std::string("hello "));
    CHECK_EQUAL(out.tokens.size(), 6u);
    CHECK_EQUAL(out.n_after_stop, 4u);
    out = show(v, "STOP", { "STOP" });
    CHECK_EQUAL(out.text, std::string());
    CHECK(out.tokens.empty());
    out = show(v, "aab", { "b", "ab" });
    CHECK_EQUAL(out.text, std::string("a"));
}

TEST("a beginning of a stop string that does not go on is shown after all") {
    const vocabulary v;
    CHECK_EQUAL(show(v, "STO STOO STO", { "STOP" }).text, std::string("STO STOO STO"));
    CHECK_EQUAL(show(v, "aaaab", { "aaab" }).text, std::string("a"));
}

TEST("an answer cut inside a character goes on with its first bytes") {
    const vocabulary v;
    const std::string grin = "\xF0\x9F\x98\x80";
    std::string text, begun;
    std::vector<llama_token> tokens;
    for (const llama_token token : v.spell("a" + grin + "b")) {
        answer_text part(v.get(), {}, false, begun);
        part.append(token);
        part.release_all(text, tokens, true);
        begun = part.take_unfinished();
        CHECK_EQUAL(whole_utf8_prefix(text), text.size());
    }
    CHECK_EQUAL(text, "a" + grin + "b");
    CHECK_EQUAL(tokens.size(), 6u);
    answer_text last(v.get(), {}, false, grin.substr(0, 2));
    text.clear();
    last.release_all(text, tokens, false);
    CHECK_EQUAL(text, grin.substr(0, 2));
}

TEST("random texts and stop strings agree with a search in the whole text") {
    const vocabulary v;
    std::mt19937 random(7);
    const auto draw = [&](size_t n) {
        std::string text;
        for (size_t i = 0; i < n; i++) text += "ab\xC3\xA9"[random() % 4];
        return text;
    };
    for (int round = 0; round < 2000; round++) {
        const std::string text = draw(random() % 24);
        std::vector<std::string> stop;
        for (size_t i = random() % 3; i > 0; i--) stop.push_back(draw(1 + random() % 4));
        // Tokens are bytes, so the first stop string to be complete ends the text; of those the one that begins first.
        size_t end = std::string::npos, cut = std::string::npos;
        for (const std::string & s : stop)
            if (const size_t at = text.find(s); at != std::string::npos) {
                if (at + s.size() < end || (at + s.size() == end && at < cut)) cut = at;
                end = std::min(end, at + s.size());
            }
        const shown out = show(v, text, stop);
        if (out.text != text.substr(0, cut)) {
            CHECK_EQUAL(out.text, text.substr(0, cut));
            break;
        }
    }
}

// --- control tokens, which are not shown ---

namespace {

// BOS stands in for any of them.
struct with_control : vocabulary {
    llama_token bos = llama_vocab_bos(get());
    std::string name = llama_vocab_get_text(get(), bos);

    shown show(const std::vector<llama_token> & tokens, const std::vector<std::string> & stop,
               std::string * found = nullptr, const std::vector<std::string> & preserved = {}) const {
        answer_text answer(get(), stop, false, "", preserved);
        shown out;
        for (const llama_token token : tokens) {
            if (answer.append(token)) break;
            answer.release(out.text, out.tokens);
        }
        if (found) *found = answer.stop();
        out.n_after_stop = answer.n_tokens_after_stop();
        answer.release_all(out.text, out.tokens, false);
        return out;
    }
    std::vector<llama_token> joined(const std::string & before, const std::string & after) const {
        std::vector<llama_token> tokens = spell(before);
        tokens.push_back(bos);
        for (const llama_token token : spell(after)) tokens.push_back(token);
        return tokens;
    }
};

}  // namespace

TEST("a stop string that is a control token's text ends the answer before that token") {
    const with_control v;
    std::string found;
    const shown out = v.show(v.joined("ab", "cd"), { v.name }, &found);
    CHECK_EQUAL(out.text, std::string("ab"));
    CHECK(out.tokens == v.spell("ab"));
    CHECK_EQUAL(out.n_after_stop, (size_t) 1);
    CHECK_EQUAL(found, v.name);
}

TEST("a stop string may have text around a control token, which is held back until it is whole") {
    const with_control v;
    const shown out = v.show(v.joined("a\n", "xyz"), { "\n" + v.name + "x" });
    CHECK_EQUAL(out.text, std::string("a"));
    CHECK(out.tokens == v.spell("a"));
    CHECK_EQUAL(out.n_after_stop, (size_t) 3);
    // It only looks like one: everything is shown in the end, each token once.
    const shown other = v.show(v.joined("a\n", "yz"), { "\n" + v.name + "x" });
    CHECK_EQUAL(other.text, std::string("a\nyz"));
    CHECK(other.tokens == v.joined("a\n", "yz"));
    CHECK_EQUAL(other.n_after_stop, (size_t) 0);
}

TEST("a part of a control token's text is no stop string") {
    const with_control v;
    const shown out = v.show(v.joined("ab", "cd"), { v.name.substr(0, 1), v.name.substr(1) });
    CHECK_EQUAL(out.text, std::string("abcd"));
    CHECK(out.tokens == v.joined("ab", "cd"));
}

TEST("a control token's text that is spelt is a stop string, too") {
    const with_control v;
    const shown out = v.show(v.spell("ab" + v.name + "c"), { v.name });
    CHECK_EQUAL(out.text, std::string("ab"));
    CHECK(out.tokens == v.spell("ab"));
}

TEST("a preserved token is shown, alone among the control tokens, and what is no token preserves nothing") {
    const with_control v;
    const std::string other = llama_vocab_get_text(v.get(), llama_vocab_eos(v.get()));
    std::vector<llama_token> tokens = v.joined("ab", "cd");
    tokens.push_back(llama_vocab_eos(v.get()));
    CHECK_EQUAL(v.show(tokens, {}, nullptr, { v.name }).text, "ab" + v.name + "cd");
    CHECK_EQUAL(v.show(tokens, {}, nullptr, { v.name, other, "ab" }).text, "ab" + v.name + "cd" + other);
    CHECK_EQUAL(v.show(tokens, {}, nullptr, { v.name + "c", "" }).text, std::string("abcd"));
}

TEST("stop strings are found before, in and behind a preserved token, and beside one that is not shown") {
    const with_control v;
    const llama_token eos = llama_vocab_eos(v.get());
    const std::string other = llama_vocab_get_text(v.get(), eos);
    std::vector<llama_token> tokens = v.joined("ab", "cd");
    tokens.push_back(eos);
    for (const llama_token token : v.spell("ef")) tokens.push_back(token);
    const std::string whole = "ab" + v.name + "cd" + "ef";
    const struct {
        std::string stop, text;
        size_t n_after;
    } cases[] = {
        { "b", "a", 1 },
        { v.name, "ab", 1 },
        { "b" + v.name + "c", "a", 3 },
        { v.name.substr(1), "ab" + v.name.substr(0, 1), 0 },
        { "df", whole, 0 },
        { other, "ab" + v.name + "cd", 1 },
        { "d" + other + "e", "ab" + v.name + "c", 3 },
        { v.name + "cd" + other, "ab", 4 },
    };
    for (const auto & one : cases) {
        const shown out = v.show(tokens, { one.stop }, nullptr, { v.name });
        CHECK_EQUAL(out.text, one.text);
        CHECK_EQUAL(out.n_after_stop, one.n_after);
    }
}

TEST("the token that ends an answer is part of its text where it is preserved, unless it is a stop string") {
    const with_control v;
    const llama_token eos = llama_vocab_eos(v.get());
    const std::string name = llama_vocab_get_text(v.get(), eos);
    const auto end = [&](const std::vector<std::string> & stop, const std::vector<std::string> & preserved) {
        answer_text answer(v.get(), stop, false, "", preserved);
        shown out;
        for (const llama_token token : v.spell("ab")) answer.append(token);
        const bool stopped = answer.append_end(eos);
        CHECK_EQUAL(stopped, !answer.stop().empty());
        out.n_after_stop = answer.n_tokens_after_stop();
        answer.release_all(out.text, out.tokens, false);
        CHECK_EQUAL(out.tokens.size() + out.n_after_stop, 2u);
        return out;
    };
    CHECK_EQUAL(end({}, { name }).text, "ab" + name);
    CHECK_EQUAL(end({}, {}).text, std::string("ab"));
    CHECK_EQUAL(end({ name }, { name }).text, std::string("ab"));
    CHECK_EQUAL(end({ "b" + name }, { name }).text, std::string("a"));
    CHECK_EQUAL(end({ "b" + name }, { name }).n_after_stop, 1u);
}
