#include "text.h"

#include "failure.h"

#include <algorithm>

namespace overfill {

std::vector<llama_token> tokenize(const llama_vocab * vocab, const std::string & text, bool add_special,
                                  bool parse_special) {
    // A token stands for at least one byte, save the two special ones around the text and a space put before it.
    std::vector<llama_token> tokens(text.size() + 8);
    int32_t n = llama_tokenize(vocab, text.data(), (int32_t) text.size(), tokens.data(), (int32_t) tokens.size(),
                               add_special, parse_special);
    if (n < 0) {
        tokens.resize((size_t) -n);
        n = llama_tokenize(vocab, text.data(), (int32_t) text.size(), tokens.data(), (int32_t) tokens.size(),
                           add_special, parse_special);
    }
    if (n < 0) throw failure(error_code::internal, "the text could not be tokenised");
    tokens.resize((size_t) n);
    return tokens;
}

std::vector<llama_token> tokenize_beginning(const llama_vocab * vocab, const std::string & text, bool parse_special) {
    std::vector<llama_token> tokens = tokenize(vocab, text, /*add_special*/ true, parse_special);
    if (llama_vocab_get_add_eos(vocab) && !tokens.empty() && tokens.back() == llama_vocab_eos(vocab)) tokens.pop_back();
    return tokens;
}

text_parts split_text(const llama_vocab * vocab, const std::string & before, const std::string & after,
                      bool parse_special) {
    const std::vector<llama_token> first = tokenize_beginning(vocab, before, parse_special),
                                   whole = tokenize_beginning(vocab, before + after, parse_special);
    const auto border = std::mismatch(first.begin(), first.end(), whole.begin(), whole.end()).second;
    return { { whole.begin(), border }, { border, whole.end() } };
}

static std::string piece_of(const llama_vocab * vocab, llama_token token, bool special) {
    std::string piece(32, '\0');
    int32_t n = llama_token_to_piece(vocab, token, &piece[0], (int32_t) piece.size(), 0, special);
    if (n < 0) {
        piece.resize((size_t) -n);
        n = llama_token_to_piece(vocab, token, &piece[0], (int32_t) piece.size(), 0, special);
    }
    piece.resize((size_t) std::max(n, 0));
    return piece;
}

// SentencePiece vocabularies put a space before every text; it is no part of what was written.
static bool puts_space_first(const llama_vocab * vocab) {
    const enum llama_vocab_type type = llama_vocab_type(vocab);
    if (type != LLAMA_VOCAB_TYPE_SPM && type != LLAMA_VOCAB_TYPE_UGM) return false;
    const std::vector<llama_token> tokens = tokenize(vocab, "a", false, false);
    return !tokens.empty() && piece_of(vocab, tokens[0], false).rfind(' ', 0) == 0;
}

std::string detokenize(const llama_vocab * vocab, const std::vector<llama_token> & tokens, bool special) {
    // Piece by piece, as an answer is shown. llama_detokenize would also tidy spaces before punctuation away.
    std::string text;
    for (const llama_token token : tokens) text += piece_of(vocab, token, special);
    if (!text.empty() && text[0] == ' ' && puts_space_first(vocab)) text.erase(0, 1);
    return text;
}

size_t whole_utf8_prefix(const std::string & text) {
    const size_t n = text.size();
    // A character has at most four bytes: look back at most three for a lead byte that promises more than there is.
    for (size_t back = 1; back <= std::min<size_t>(3, n); back++) {
        const unsigned char byte = (unsigned char) text[n - back];
        if ((byte & 0xC0) == 0x80) continue;
        const size_t length = byte >= 0xC2 && byte <= 0xDF   ? 2
                              : (byte & 0xF0) == 0xE0        ? 3
                              : byte >= 0xF0 && byte <= 0xF4 ? 4
                                                             : 1;
        if (length <= back) return n;
        // Not every continuation may follow: an overlong form or a surrogate is broken already, not incomplete.
        if (back >= 2) {
            const unsigned char second = (unsigned char) text[n - back + 1];
            const bool broken = (byte == 0xE0 && second < 0xA0) || (byte == 0xED && second > 0x9F) ||
                                (byte == 0xF0 && second < 0x90) || (byte == 0xF4 && second > 0x8F);
            if (broken) return n;
        }
        return n - back;
    }
    return n;
}

}  // namespace overfill
