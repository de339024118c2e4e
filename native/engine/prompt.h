// What a caller gives to read: text, or token ids of the pair's vocabulary.
#pragma once

#include "chat_prompt.h"

#include <llama.h>

#include <string>
#include <variant>
#include <vector>

namespace overfill {

using prompt_input = std::variant<std::string, std::vector<llama_token>>;

// `before`: the tokens that it follows. Where there are none a conversation begins, and a text gets the vocabulary's
// BOS token, but no token that closes it. Throws ERR_INVALID_ARGUMENT (details: parameter "prompt", actual) for a text
// that the vocabulary cannot write, ERR_OUT_OF_MEMORY.
std::vector<llama_token> tokens_of(prompt_input input, const llama_vocab * vocab,
                                   const std::vector<llama_token> & before, bool parse_special);

// A chat's prompt, from its very beginning. Tokenised as one text, in which control tokens' names are control tokens,
// except those that lie wholly or in part in what was given. Throws the same.
std::vector<llama_token> tokens_of_chat(const std::vector<chat_prompt::piece> & pieces, const llama_vocab * vocab);

// Throws ERR_INVALID_ARGUMENT (details: parameter) for no tokens at all or one outside the vocabulary. `what` names
// them in the message: "the prompt".
void check_tokens(const std::vector<llama_token> & tokens, const llama_vocab * vocab, const std::string & what,
                  const std::string & parameter);

}  // namespace overfill
