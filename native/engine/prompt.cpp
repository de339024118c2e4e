#include "prompt.h"

#include "failure.h"
#include "text.h"

#include <algorithm>
#include <cstring>

namespace overfill {

// In one piece, vocabularies that put a space before a text put one behind every token that stands for no text, too.
static bool is_text(const llama_vocab * vocab, llama_token token) {
    return !(llama_vocab_get_attr(vocab, token) & (LLAMA_TOKEN_ATTR_CONTROL | LLAMA_TOKEN_ATTR_USER_DEFINED));
}

std::vector<llama_token> tokens_of(prompt_input input, const llama_vocab * vocab,
                                   const std::vector<llama_token> & before, bool parse_special) {
    if (auto * tokens = std::get_if<std::vector<llama_token>>(&input)) return std::move(*tokens);
    const std::string & text = std::get<std::string>(input);
    if (text.empty()) return {};
    // Behind a token that closes the text an answer would never begin.
    const text_place place = before.empty()                  ? text_place::beginning
                             : is_text(vocab, before.back()) ? text_place::continuation
                                                             : text_place::behind_special;
    try {
        return tokenize(vocab, text, place, parse_special);
    } catch (const failure & error) {
        if (error.code() != error_code::invalid_argument) throw;
        error_details details = error.details();
        for (auto & [key, value] : details)
            if (key == "parameter") value = "prompt";
        throw failure(error.code(), error.what(), std::move(details));
    }
}

namespace {

struct text_range {
    size_t begin, end;
};

}  // namespace

// Where names of control tokens stand in the text, in whole or in part in a given range; in order, none overlapping.
static std::vector<text_range> protected_names(const std::string & text, const std::vector<text_range> & given,
                                               const llama_vocab * vocab) {
    std::vector<text_range> found;
    for (llama_token token = 0; token < llama_vocab_n_tokens(vocab); token++) {
        if (!(llama_vocab_get_attr(vocab, token) & (LLAMA_TOKEN_ATTR_CONTROL | LLAMA_TOKEN_ATTR_UNKNOWN))) continue;
        const char * name = llama_vocab_get_text(vocab, token);
        const size_t n = name ? std::strlen(name) : 0;
        if (n == 0) continue;
        for (size_t at = text.find(name); at != std::string::npos; at = text.find(name, at + 1)) {
            const auto after = std::upper_bound(given.begin(), given.end(), at,
                                                [](size_t place, const text_range & one) { return place < one.end; });
            if (after != given.end() && after->begin < at + n) found.push_back({ at, at + n });
        }
    }
    std::sort(found.begin(), found.end(), [](const text_range & a, const text_range & b) { return a.begin < b.begin; });
    std::vector<text_range> merged;
    for (const text_range & one : found) {
        if (!merged.empty() && one.begin < merged.back().end)
            merged.back().end = std::max(merged.back().end, one.end);
        else
            merged.push_back(one);
    }
    return merged;
}

std::vector<llama_token> tokens_of_chat(const std::vector<chat_prompt::piece> & pieces, const llama_vocab * vocab) {
    std::string text;
    std::vector<text_range> given;
    for (const chat_prompt::piece & piece : pieces) {
        if (piece.given) given.push_back({ text.size(), text.size() + piece.text.size() });
        text += piece.text;
    }
    std::vector<llama_token> tokens;
    const auto add = [&](size_t begin, size_t end, bool parse_special) {
        const auto more = tokens_of(text.substr(begin, end - begin), vocab, tokens, parse_special);
        tokens.insert(tokens.end(), more.begin(), more.end());
    };
    size_t at = 0;
    for (const text_range & name : protected_names(text, given, vocab)) {
        add(at, name.begin, true);
        add(name.begin, name.end, false);
        at = name.end;
    }
    add(at, text.size(), true);
    return tokens;
}

void check_tokens(const std::vector<llama_token> & tokens, const llama_vocab * vocab, const std::string & what,
                  const std::string & parameter) {
    if (tokens.empty()) throw failure(error_code::invalid_argument, what + " is empty", { { "parameter", parameter } });
    const int32_t n_vocab = llama_vocab_n_tokens(vocab);
    for (const llama_token token : tokens)
        if (token < 0 || token >= n_vocab)
            throw failure(error_code::invalid_argument,
                          what + " holds token " + std::to_string(token) + ", but the vocabulary has " +
                              std::to_string(n_vocab) + " tokens",
                          { { "parameter", parameter }, { "actual", std::to_string(token) } });
}

}  // namespace overfill
