#include "prompt.h"

#include "failure.h"
#include "text.h"

namespace overfill {

std::vector<llama_token> tokens_of(prompt_input input, const llama_vocab * vocab, bool first, bool parse_special) {
    if (auto * tokens = std::get_if<std::vector<llama_token>>(&input)) return std::move(*tokens);
    const std::string & text = std::get<std::string>(input);
    if (text.empty()) return {};
    // Behind a token that closes the text an answer would never begin.
    return first ? tokenize_beginning(vocab, text, parse_special) : tokenize(vocab, text, false, parse_special);
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
