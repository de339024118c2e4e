#include "answer_text.h"

#include "text.h"

#include <algorithm>

namespace overfill {

answer_text::answer_text(const llama_vocab * vocab, std::vector<std::string> stop, bool special, std::string begun)
    : vocab_(vocab), stop_(std::move(stop)), special_(special), pending_(std::move(begun)), piece_(64) {}

bool answer_text::append(llama_token token) {
    int32_t n = llama_token_to_piece(vocab_, token, piece_.data(), (int32_t) piece_.size(), 0, special_);
    if (n < 0) {
        piece_.resize((size_t) -n);
        n = llama_token_to_piece(vocab_, token, piece_.data(), (int32_t) piece_.size(), 0, special_);
    }
    const size_t begin = pending_.size();
    pending_.append(piece_.data(), (size_t) std::max(n, 0));
    tokens_.push_back({ token, begin, pending_.size(), false });

    for (const std::string & stop : stop_) {
        // Everything before `begin` was searched already, except for a match that the new text completes.
        const size_t from = begin >= stop.size() ? begin - stop.size() + 1 : 0;
        const size_t at = pending_.find(stop, from);
        if (at != std::string::npos && at < stop_at_) {
            stop_at_ = at;
            found_ = stop;
        }
    }
    return !found_.empty();
}

void answer_text::release(std::string & text, std::vector<llama_token> & tokens) {
    size_t n = whole_utf8_prefix(pending_);
    // Hold back the longest end of the text that begins a stop string.
    for (const std::string & stop : stop_)
        for (size_t length = std::min(stop.size() - 1, pending_.size()); length > 0; length--)
            if (pending_.compare(pending_.size() - length, length, stop, 0, length) == 0) {
                n = std::min(n, pending_.size() - length);
                break;
            }
    take(n, text, tokens);
}

void answer_text::release_all(std::string & text, std::vector<llama_token> & tokens, bool goes_on) {
    const size_t n_kept = tokens_.size() - n_tokens_after_stop();
    const size_t n_text = !found_.empty() ? stop_at_ : goes_on ? whole_utf8_prefix(pending_) : pending_.size();
    // A token that straddles the start of the stop string stays in the answer; only its text is cut.
    for (size_t i = 0; i < n_kept; i++) tokens.push_back(tokens_[i].id);
    tokens_.erase(tokens_.begin(), tokens_.begin() + (long) n_kept);
    text.append(pending_, 0, n_text);
    pending_.erase(0, found_.empty() ? n_text : pending_.size());
}

size_t answer_text::n_tokens_after_stop() const {
    if (found_.empty()) return 0;
    return (size_t) std::count_if(tokens_.begin(), tokens_.end(),
                                  [this](const pending_token & t) { return t.begin >= stop_at_ && !t.shown; });
}

void answer_text::take(size_t n_bytes, std::string & text, std::vector<llama_token> & tokens) {
    text.append(pending_, 0, n_bytes);
    pending_.erase(0, n_bytes);
    size_t n = 0;
    while (n < tokens_.size() && tokens_[n].end <= n_bytes) tokens.push_back(tokens_[n++].id);
    tokens_.erase(tokens_.begin(), tokens_.begin() + (long) n);
    for (pending_token & token : tokens_) {
        token.shown = token.shown || token.begin < n_bytes;
        token.begin -= std::min(token.begin, n_bytes);
        token.end -= n_bytes;
    }
}

}  // namespace overfill
