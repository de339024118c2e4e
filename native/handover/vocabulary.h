// Compares two vocabularies: every token's text and attributes, not only their number. Token ids travel from one model
// to the other, so a single difference would change what was said.
#pragma once

#include <llama.h>

#include <string>
#include <vector>

namespace overfill {

struct vocabulary_difference {
    bool equal = true;
    std::string prefill;  // the prefill model's side of the first difference
    std::string decode;
    std::string message;
};

vocabulary_difference compare_vocabularies(const llama_vocab * prefill, const llama_vocab * decode);

// Differences that do not change token ids, such as another end-of-text token.
std::vector<std::string> vocabulary_notes(const llama_vocab * prefill, const llama_vocab * decode);

}  // namespace overfill
