// What followed the last tokens of a text where they stood in it before, by libllama-common's n-gram look-up
// ("ngram-simple" of its speculative decoding): a draft that costs no model anything.
#pragma once

#include <llama.h>

#include <vector>

namespace overfill {

// At most `most` tokens; none where the last four have not stood before with at least four behind them.
std::vector<llama_token> find_repeated(const std::vector<llama_token> & text, size_t most);

}  // namespace overfill
