// Text to tokens and back, with a vocabulary of llama.cpp.
#pragma once

#include <llama.h>

#include <cstddef>
#include <string>
#include <vector>

namespace overfill {

// What becomes of a character that the vocabulary has no tokens for. Only SentencePiece vocabularies without byte
// tokens ask; others put their unknown token, or nothing, by themselves.
enum class unwritable {
    unknown_token,  // the vocabulary's unknown token, one for a run of such characters; where it has none, refused
    leave_out,      // the unknown token, or nothing
    refuse,         // ERR_INVALID_ARGUMENT (details: parameter, actual)
};

// Where the text stands.
enum class text_place {
    // At the beginning of all: with the BOS token where the vocabulary adds one, and with the space that SentencePiece
    // vocabularies put before a text. A text that begins with the text of the BOS token itself, with `parse_special`,
    // gets no second one. Without the token that some vocabularies close a text with.
    beginning,
    whole,         // as `beginning`, closed by that token
    continuation,  // behind other text: nothing is put before it
    // Behind a control token: as at the beginning, but for BOS.
    behind_special,
};

// `parse_special`: text such as "<|im_end|>" becomes the control token of that name. Throws ERR_INVALID_ARGUMENT as
// `unwritable` says, and for a text that cannot be split into words (raw_tokens.h); ERR_OUT_OF_MEMORY.
std::vector<llama_token> tokenize(const llama_vocab * vocab, const std::string & text, text_place place,
                                  bool parse_special, unwritable missing = unwritable::unknown_token);
// Where the tokens begin with BOS, without the space that the vocabulary puts before a text.
std::string detokenize(const llama_vocab * vocab, const std::vector<llama_token> & tokens, bool special);

// The tokens of two texts that follow each other, split where those of the first end. A token across the border goes
// with the second.
struct text_parts {
    std::vector<llama_token> before, after;
};
text_parts split_text(const llama_vocab * vocab, const std::string & before, const std::string & after,
                      bool parse_special = true, unwritable missing = unwritable::unknown_token);

// Whether the vocabulary makes nothing of white space at a text's end, so that what follows would join the last word.
bool drops_last_space(const llama_vocab * vocab);

// The length of the longest prefix of `text` that does not end inside a UTF-8 character. Bytes that are no UTF-8 at all
// count as whole: JavaScript replaces them.
size_t whole_utf8_prefix(const std::string & text);

}  // namespace overfill
