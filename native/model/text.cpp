#include "text.h"

#include "failure.h"
#include "missing_characters.h"
#include "raw_tokens.h"

#include <algorithm>
#include <optional>
#include <stdexcept>

namespace overfill {

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

static llama_token unknown_token(const llama_vocab * vocab) {
    for (llama_token token = 0; token < llama_vocab_n_tokens(vocab); token++)
        if (llama_vocab_get_attr(vocab, token) & LLAMA_TOKEN_ATTR_UNKNOWN) return token;
    return LLAMA_TOKEN_NULL;
}

static bool begins_with(const std::vector<llama_token> & tokens, const std::vector<llama_token> & first) {
    return tokens.size() >= first.size() && std::equal(first.begin(), first.end(), tokens.begin());
}

// --- text behind other text ---
//
// llama.cpp knows no such text: SentencePiece and WordPiece vocabularies begin every one with a space. So a character
// that joins nothing is put before it, and its tokens are taken off again.

static bool puts_space_first(const llama_vocab * vocab) {
    const enum llama_vocab_type type = llama_vocab_type(vocab);
    if (type == LLAMA_VOCAB_TYPE_WPM) return true;
    if (type != LLAMA_VOCAB_TYPE_SPM && type != LLAMA_VOCAB_TYPE_UGM) return false;
    // Of the first character that the vocabulary has; "a" is missing in few.
    for (const char * text : { "a", "e", "1" }) {
        try {
            const std::vector<llama_token> tokens = raw_tokens(vocab, text, false, false);
            return !tokens.empty() && piece_of(vocab, tokens[0], false).rfind(' ', 0) == 0;
        } catch (const std::out_of_range &) {
            continue;
        }
    }
    return true;
}

namespace {

struct stopgap {
    std::string text;
    std::vector<llama_token> tokens;
};

}  // namespace

// `head`: how the text behind it begins.
static std::optional<stopgap> try_stopgap(const llama_vocab * vocab, const std::string & text,
                                          const std::string & head) {
    try {
        std::vector<llama_token> tokens = raw_tokens(vocab, text, false, false);
        const llama_token unknown = unknown_token(vocab);
        if (tokens.empty() || tokens.back() == unknown || tokens.back() == LLAMA_TOKEN_NULL) return std::nullopt;
        if (!begins_with(raw_tokens(vocab, text + head, false, false), tokens)) return std::nullopt;
        return stopgap{ text, std::move(tokens) };
    } catch (const std::out_of_range &) {
        return std::nullopt;
    }
}

static std::optional<stopgap> find_stopgap(const llama_vocab * vocab, std::string head) {
    try {
        raw_tokens(vocab, head, false, false);
    } catch (const std::out_of_range &) {
        head.clear();  // a character that is missing joins nothing either
    }
    // Control characters, where the vocabulary has bytes; else its own characters, the rarest (the last) first.
    for (char control = 1; control < 9; control++)
        if (auto made = try_stopgap(vocab, std::string(1, control), head)) return made;
    int n_tried = 0;
    for (llama_token token = llama_vocab_n_tokens(vocab) - 1; token >= 0 && n_tried < 256; token--) {
        const std::string text = llama_vocab_get_text(vocab, token);
        const bool is_character =
            !text.empty() && text.size() <= 4 && text != "\xe2\x96\x81" &&
            std::count_if(text.begin(), text.end(), [](char c) { return ((unsigned char) c & 0xC0) != 0x80; }) == 1;
        if (!is_character || !(llama_vocab_get_attr(vocab, token) & LLAMA_TOKEN_ATTR_NORMAL)) continue;
        n_tried++;
        if (auto made = try_stopgap(vocab, text, head)) return made;
    }
    return std::nullopt;
}

static std::vector<llama_token> continue_raw(const llama_vocab * vocab, const std::string & text, bool parse_special) {
    if (text.empty()) return {};
    if (puts_space_first(vocab)) {
        const std::string head = text.substr(0, whole_utf8_prefix(text.substr(0, 64)));
        if (const auto before = find_stopgap(vocab, head)) {
            std::vector<llama_token> tokens = raw_tokens(vocab, before->text + text, false, parse_special);
            if (begins_with(tokens, before->tokens)) {
                tokens.erase(tokens.begin(), tokens.begin() + (std::ptrdiff_t) before->tokens.size());
                return tokens;
            }
        }
    }
    return raw_tokens(vocab, text, false, parse_special);
}

// --- characters that are missing in the vocabulary ---

[[noreturn]] static void refuse_missing(const std::string & characters) {
    throw failure(error_code::invalid_argument, "the vocabulary has no token for \"" + characters + "\"",
                  { { "parameter", "text" }, { "actual", characters } });
}

// Without BOS and the like.
static std::vector<llama_token> put_unknown(const llama_vocab * vocab, const std::string & text, bool begins,
                                            bool parse_special, bool standing_alone, unwritable missing) {
    const llama_token unknown = unknown_token(vocab);
    std::vector<llama_token> tokens;
    for (const writable_run & run : writable_runs(vocab, text, standing_alone)) {
        const std::vector<llama_token> part = begins && tokens.empty()
                                                  ? raw_tokens(vocab, run.text, false, parse_special)
                                                  : continue_raw(vocab, run.text, parse_special);
        tokens.insert(tokens.end(), part.begin(), part.end());
        if (run.missing.empty()) continue;
        const bool has_unknown = unknown != LLAMA_TOKEN_NULL;
        if (missing == unwritable::refuse || (missing == unwritable::unknown_token && !has_unknown))
            refuse_missing(run.missing);
        if (has_unknown) tokens.push_back(unknown);
    }
    return tokens;
}

static std::vector<llama_token> tokenize_missing(const llama_vocab * vocab, const std::string & text, bool begins,
                                                 bool parse_special, unwritable missing) {
    // A character without a token of its own may still be written, as a part of longer ones.
    for (const bool standing_alone : { false, true }) {
        try {
            return put_unknown(vocab, text, begins, parse_special, standing_alone, missing);
        } catch (const std::out_of_range &) {
            continue;
        }
    }
    refuse_missing(text);
}

// --- tokens ---

// What the vocabulary puts behind every text; LLAMA_TOKEN_NULL: nothing.
static llama_token closing_token(const llama_vocab * vocab) {
    if (llama_vocab_type(vocab) == LLAMA_VOCAB_TYPE_WPM) return llama_vocab_sep(vocab);
    return llama_vocab_get_add_eos(vocab) ? llama_vocab_eos(vocab) : LLAMA_TOKEN_NULL;
}

// A text that brings BOS itself gets no second one.
static void drop_doubled_bos(const llama_vocab * vocab, const std::string & text, std::vector<llama_token> & tokens) {
    const llama_token bos = llama_vocab_bos(vocab);
    if (bos == LLAMA_TOKEN_NULL || tokens.size() < 2 || tokens[0] != bos || tokens[1] != bos) return;
    if (text.rfind(llama_vocab_get_text(vocab, bos), 0) == 0) tokens.erase(tokens.begin());
}

std::vector<llama_token> tokenize(const llama_vocab * vocab, const std::string & text, text_place place,
                                  bool parse_special, unwritable missing) {
    const bool begins = place == text_place::beginning || place == text_place::whole;
    const bool continues = place == text_place::continuation;
    std::vector<llama_token> tokens;
    try {
        tokens = continues ? continue_raw(vocab, text, parse_special) : raw_tokens(vocab, text, begins, parse_special);
    } catch (const std::out_of_range &) {
        tokens = tokenize_missing(vocab, text, !continues, parse_special, missing);
        if (begins && llama_vocab_get_add_bos(vocab)) tokens.insert(tokens.begin(), llama_vocab_bos(vocab));
        if (begins && llama_vocab_get_add_eos(vocab)) tokens.push_back(llama_vocab_eos(vocab));
    }
    // A vocabulary without an unknown token has none to put where it looks for one.
    if (std::count(tokens.begin(), tokens.end(), LLAMA_TOKEN_NULL) > 0) {
        if (missing != unwritable::leave_out)
            throw failure(error_code::invalid_argument, "the vocabulary has no token for a character of the text",
                          { { "parameter", "text" } });
        tokens.erase(std::remove(tokens.begin(), tokens.end(), LLAMA_TOKEN_NULL), tokens.end());
    }
    if (!begins) return tokens;
    if (place == text_place::beginning && !tokens.empty() && tokens.back() == closing_token(vocab)) tokens.pop_back();
    if (parse_special) drop_doubled_bos(vocab, text, tokens);
    return tokens;
}

text_parts split_text(const llama_vocab * vocab, const std::string & before, const std::string & after,
                      bool parse_special, unwritable missing) {
    const std::vector<llama_token> first = tokenize(vocab, before, text_place::beginning, parse_special, missing),
                                   whole =
                                       tokenize(vocab, before + after, text_place::beginning, parse_special, missing);
    const auto border = std::mismatch(first.begin(), first.end(), whole.begin(), whole.end()).second;
    return { { whole.begin(), border }, { border, whole.end() } };
}

std::string detokenize(const llama_vocab * vocab, const std::vector<llama_token> & tokens, bool special) {
    // Piece by piece, as an answer is shown. llama_detokenize would also tidy spaces before punctuation away.
    std::string text;
    const bool begins = !tokens.empty() && tokens[0] == llama_vocab_bos(vocab) && puts_space_first(vocab);
    for (size_t i = 0; i < tokens.size(); i++) {
        std::string piece = piece_of(vocab, tokens[i], special);
        if (i == 1 && begins && piece.rfind(' ', 0) == 0) piece.erase(0, 1);
        text += piece;
    }
    return text;
}

bool drops_last_space(const llama_vocab * vocab) {
    const enum llama_vocab_type type = llama_vocab_type(vocab);
    if (type != LLAMA_VOCAB_TYPE_UGM && type != LLAMA_VOCAB_TYPE_WPM) return false;
    return raw_tokens(vocab, "a", false, false) == raw_tokens(vocab, "a ", false, false);
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
