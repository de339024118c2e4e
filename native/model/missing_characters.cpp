#include "missing_characters.h"

#include <algorithm>
#include <unordered_set>

namespace overfill {

// Bytes of the character at `at`; 1 for what is no UTF-8.
static size_t length_at(const std::string & text, size_t at) {
    const unsigned char byte = (unsigned char) text[at];
    const size_t length = byte < 0xC0 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
    return std::min(length, text.size() - at);
}

static std::unordered_set<std::string> characters_of(const llama_vocab * vocab, bool standing_alone) {
    std::unordered_set<std::string> known;
    for (llama_token token = 0; token < llama_vocab_n_tokens(vocab); token++) {
        const std::string text = llama_vocab_get_text(vocab, token);
        if (text.empty()) continue;
        if (standing_alone) {
            if (length_at(text, 0) == text.size()) known.insert(text);
            continue;
        }
        for (size_t at = 0, n; at < text.size(); at += n) {
            n = length_at(text, at);
            known.insert(text.substr(at, n));
        }
    }
    return known;
}

std::vector<writable_run> writable_runs(const llama_vocab * vocab, const std::string & text, bool standing_alone) {
    const std::unordered_set<std::string> known = characters_of(vocab, standing_alone);
    const std::string space = "\xe2\x96\x81";  // as vocabularies write it
    std::vector<writable_run> runs(1);
    for (size_t at = 0, n; at < text.size(); at += n) {
        n = length_at(text, at);
        const std::string character = text.substr(at, n);
        if (known.count(character == " " ? space : character)) {
            if (!runs.back().missing.empty()) runs.emplace_back();
            runs.back().text += character;
        } else {
            runs.back().missing += character;
        }
    }
    return runs;
}

}  // namespace overfill
