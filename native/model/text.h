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

// The beginning of every text: as tokenize with both, but without the token that some vocabularies close a text with.
std::vector<llama_token> tokenize_beginning(const llama_vocab * vocab, const std::string & text,
                                            bool parse_special = true);

// The tokens of two texts that follow each other, split where those of the first end. The second by itself would become
// other tokens: SentencePiece vocabularies put a space before every text. A token across the border goes with the
// second.
struct text_parts {
    std::vector<llama_token> before, after;
};
text_parts split_text(const llama_vocab * vocab, const std::string & before, const std::string & after,
                      bool parse_special = true);

// The length of the longest prefix of `text` that does not end inside a UTF-8 character. Bytes that are no UTF-8 at all
// count as whole: JavaScript replaces them.
size_t whole_utf8_prefix(const std::string & text);

}  // namespace overfill
