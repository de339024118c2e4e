#include "raw_tokens.h"

#include "deep_stack.h"
#include "failure.h"

#include <algorithm>
#include <climits>
#include <stdexcept>
#include <string_view>

namespace overfill {

// The matcher was seen to take up to 450 bytes of stack a character.
static constexpr size_t stack_per_byte = 2048;
static constexpr size_t stack_for_rest = (size_t) 1 << 20;
// So much needs no stack of its own: even the threads with the least of it have 512 KiB.
static constexpr size_t short_text = 128;

static std::vector<llama_token> call_llama(const llama_vocab * vocab, std::string_view text, bool add_special,
                                           bool parse_special) {
    // A token stands for at least one byte, save the two special ones around the text and a space put before it.
    std::vector<llama_token> tokens(text.size() + 8);
    const auto call = [&] {
        return llama_tokenize(vocab, text.data(), (int32_t) text.size(), tokens.data(), (int32_t) tokens.size(),
                              add_special, parse_special);
    };
    int32_t n = call();
    if (n < 0) {
        tokens.resize((size_t) - (int64_t) n);
        n = call();
    }
    if (n < 0) throw failure(error_code::internal, "the text could not be tokenised");
    tokens.resize((size_t) n);
    return tokens;
}

// --- where a long text may be cut ---

static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
static bool begins_character(char c) { return ((unsigned char) c & 0xC0) != 0x80; }

namespace {

class piece_cutter {
  public:
    piece_cutter(const llama_vocab * vocab, std::string_view text, bool parse_special)
        : vocab_(vocab), text_(text), parse_special_(parse_special) {
        if (!parse_special) return;
        for (llama_token token = 0; token < llama_vocab_n_tokens(vocab); token++) {
            const auto attributes = llama_vocab_get_attr(vocab, token);
            if (attributes & (LLAMA_TOKEN_ATTR_CONTROL | LLAMA_TOKEN_ATTR_USER_DEFINED | LLAMA_TOKEN_ATTR_UNKNOWN))
                special_.push_back(llama_vocab_get_text(vocab, token));
        }
    }

    // Where the piece that begins at `begin` ends.
    size_t end_of(size_t begin) const {
        if (text_.size() - begin <= longest_piece) return text_.size();
        const size_t last = begin + longest_piece, first = begin + longest_piece / 2;
        // All pre-tokenizers end a word before the space or behind the line break between two letters, but for those
        // whose tokens span words; hence the look at the tokens on both sides.
        size_t n_looks = 0;
        for (size_t at = last; at > first && n_looks < 64; at--) {
            const bool line = text_[at - 1] == '\n' && is_letter(text_[at - 2]) && is_letter(text_[at]);
            const bool word = text_[at] == ' ' && is_letter(text_[at - 1]) && is_letter(text_[at + 1]);
            if ((line || word) && ++n_looks && keeps_tokens(at)) return at;
        }
        // Within a run: rather where a token ends.
        n_looks = 0;
        for (size_t at = last; at > first && n_looks < 64; at--)
            if (begins_character(text_[at]) && ++n_looks && keeps_tokens(at)) return at;
        size_t at = last;
        while (at > first && !(begins_character(text_[at]) && !cuts_special(at))) at--;
        return at;
    }

  private:
    static constexpr size_t n_beside = 64;

    // Whether the tokens beside the cut are the same with it as without.
    bool keeps_tokens(size_t at) const {
        if (cuts_special(at)) return false;
        size_t begin = at - n_beside, end = std::min(at + n_beside, text_.size());
        while (!begins_character(text_[begin])) begin--;
        while (end < text_.size() && !begins_character(text_[end])) end--;
        std::vector<llama_token> parts = tokens_of(begin, at);
        const std::vector<llama_token> after = tokens_of(at, end);
        parts.insert(parts.end(), after.begin(), after.end());
        return parts == tokens_of(begin, end);
    }

    std::vector<llama_token> tokens_of(size_t begin, size_t end) const {
        return call_llama(vocab_, text_.substr(begin, end - begin), false, parse_special_);
    }

    // Whether the text of a special token stands across the cut.
    bool cuts_special(size_t at) const {
        for (const std::string & token : special_)
            for (size_t before = 1; before < token.size() && before <= at; before++)
                if (text_.compare(at - before, token.size(), token) == 0) return true;
        return false;
    }

    const llama_vocab * vocab_;
    std::string_view text_;
    bool parse_special_;
    std::vector<std::string> special_;
};

}  // namespace

static std::vector<llama_token> read_in_pieces(const llama_vocab * vocab, std::string_view text, bool add_special,
                                               bool parse_special) {
    const piece_cutter cutter(vocab, text, parse_special);
    std::vector<llama_token> tokens;
    if (add_special && llama_vocab_get_add_bos(vocab)) tokens.push_back(llama_vocab_bos(vocab));
    for (size_t begin = 0, end; begin < text.size(); begin = end) {
        end = cutter.end_of(begin);
        const std::vector<llama_token> piece = call_llama(vocab, text.substr(begin, end - begin), false, parse_special);
        tokens.insert(tokens.end(), piece.begin(), piece.end());
    }
    if (add_special && llama_vocab_get_add_eos(vocab)) tokens.push_back(llama_vocab_eos(vocab));
    return tokens;
}

std::vector<llama_token> raw_tokens(const llama_vocab * vocab, const std::string & text, bool add_special,
                                    bool parse_special) {
    if (text.size() > (size_t) INT32_MAX / 2)
        throw failure(error_code::invalid_argument, "a text of more than 1 GiB cannot be tokenised at once",
                      { { "parameter", "text" } });
    // The other kinds of vocabulary go through a text without recursion.
    if (llama_vocab_type(vocab) != LLAMA_VOCAB_TYPE_BPE || text.size() <= short_text)
        return call_llama(vocab, text, add_special, parse_special);
    std::vector<llama_token> tokens;
    try {
        with_stack(stack_for_rest + std::min(text.size(), longest_piece) * stack_per_byte, [&] {
            tokens = text.size() <= longest_piece ? call_llama(vocab, text, add_special, parse_special)
                                                  : read_in_pieces(vocab, text, add_special, parse_special);
        });
    } catch (const failure &) {
        throw;
    } catch (const std::runtime_error & error) {
        // Matchers that count their steps in place of overflowing the stack give up.
        throw failure(error_code::invalid_argument,
                      std::string("the text cannot be split into words (") + error.what() +
                          "); it has too long a run without a break",
                      { { "parameter", "text" } });
    }
    return tokens;
}

}  // namespace overfill
