// Text to tokens and back, with a vocabulary of llama.cpp.
#pragma once

#include <llama.h>

#include <cstddef>
#include <string>
#include <vector>

namespace overfill {

// `add_special`: with the vocabulary's BOS token, as a text's beginning. `parse_special`: text such as "<|im_end|>"
// becomes the control token of that name. Throws ERR_INTERNAL.
std::vector<llama_token> tokenize(const llama_vocab * vocab, const std::string & text, bool add_special,
                                  bool parse_special);
std::string detokenize(const llama_vocab * vocab, const std::vector<llama_token> & tokens, bool special);

// The length of the longest prefix of `text` that does not end inside a UTF-8 character. Bytes that are no UTF-8 at all
// count as whole: JavaScript replaces them.
size_t whole_utf8_prefix(const std::string & text);

}  // namespace overfill
