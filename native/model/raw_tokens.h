// llama.cpp's tokenizer, where a text of any length is safe. Byte-pair vocabularies split a text by regular
// expressions, and the matcher of the C++ library recurses for every character of an unbroken run: 26,000 of them
// overflow a stack of 8 MB. So a text runs on a stack made for its length, and one of more than `longest_piece` bytes
// is read in pieces.
#pragma once

#include <llama.h>

#include <cstddef>
#include <string>
#include <vector>

namespace overfill {

// Bytes that a byte-pair vocabulary reads at once. A longer text is cut where a word ends, which changes no token. Only
// a run of half as many bytes without such a place is cut within; the tokens beside that cut may then be others than
// without it.
constexpr size_t longest_piece = (size_t) 128 << 10;

// As llama_tokenize. Throws ERR_INVALID_ARGUMENT for more than 1 GiB and for a text that llama.cpp's expressions cannot
// split, std::out_of_range for a character that the vocabulary has no tokens for, ERR_OUT_OF_MEMORY.
std::vector<llama_token> raw_tokens(const llama_vocab * vocab, const std::string & text, bool add_special,
                                    bool parse_special);

}  // namespace overfill
