// Which characters of a text a SentencePiece vocabulary without byte tokens cannot write.
#pragma once

#include <llama.h>

#include <string>
#include <vector>

namespace overfill {

// A run of characters of a text that the vocabulary can write, and the run that it cannot write behind it.
struct writable_run {
    std::string text, missing;  // either may be empty
};

// `standing_alone`: a character has to be a token of its own, else it only has to occur in one.
std::vector<writable_run> writable_runs(const llama_vocab * vocab, const std::string & text, bool standing_alone);

}  // namespace overfill
