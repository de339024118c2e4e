#include "prompt.h"

#include "failure.h"
#include "text.h"

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
