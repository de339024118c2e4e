#include "answer_text.h"

#include "text.h"

#include <algorithm>

namespace overfill {

static std::vector<llama_token> tokens_in(const llama_vocab * vocab, const std::string & text, text_place place) {
    return tokenize(vocab, text, place, /*parse_special*/ true, unwritable::leave_out);
}

answer_text::answer_text(const llama_vocab * vocab, std::vector<std::string> stop, bool special, std::string begun,
                         const std::vector<std::string> & preserved)
    : vocab_(vocab), stop_(std::move(stop)), special_(special), pending_(std::move(begun)), piece_(64) {
    for (const std::string & text : preserved)
        if (const auto tokens = tokens_in(vocab_, text, text_place::continuation); tokens.size() == 1)
            preserved_.push_back(tokens[0]);
    for (const std::string & text : stop_)
        if (!special_ && has_hidden_token(text)) control_stop_.push_back(text);
    if (!control_stop_.empty()) full_ = pending_;
}

static bool contains(const std::vector<llama_token> & tokens, llama_token token) {
    return std::find(tokens.begin(), tokens.end(), token) != tokens.end();
}

// What llama.cpp shows only when it is asked to.
bool answer_text::is_hidden(llama_token token) const {
    return (llama_vocab_get_attr(vocab_, token) & (LLAMA_TOKEN_ATTR_CONTROL | LLAMA_TOKEN_ATTR_UNKNOWN)) &&
           !contains(preserved_, token);
}

bool answer_text::has_hidden_token(const std::string & text) const {
    const std::vector<llama_token> tokens = tokens_in(vocab_, text, text_place::behind_special);
    return std::any_of(tokens.begin(), tokens.end(), [this](llama_token token) { return is_hidden(token); });
}

std::string answer_text::piece_of(llama_token token, bool special) {
    int32_t n = llama_token_to_piece(vocab_, token, piece_.data(), (int32_t) piece_.size(), 0, special);
    if (n < 0) {
        piece_.resize((size_t) -n);
        n = llama_token_to_piece(vocab_, token, piece_.data(), (int32_t) piece_.size(), 0, special);
    }
    return std::string(piece_.data(), (size_t) std::max(n, 0));
}

// A match that ends in what was appended behind the first `n_before` bytes: everything else was searched already.
static size_t find_new(const std::string & text, const std::string & stop, size_t n_before) {
    return text.find(stop, n_before >= stop.size() ? n_before - stop.size() + 1 : 0);
}

bool answer_text::append(llama_token token) {
    const size_t begin = pending_.size(), full_begin = full_.size();
    pending_ += piece_of(token, special_ || contains(preserved_, token));
    tokens_.push_back({ token, begin, pending_.size(), full_begin, false });
    if (!control_stop_.empty()) full_ += piece_of(token, /*special*/ true);
    return look_for_stop(begin, full_begin);
}

bool answer_text::append_end(llama_token token) {
    const size_t begin = pending_.size(), full_begin = full_.size();
    if (contains(preserved_, token)) {
        const std::string piece = piece_of(token, /*special*/ true);
        pending_ += piece;
        if (!control_stop_.empty()) full_ += piece;
    }
    return look_for_stop(begin, full_begin);
}

// In what comes behind so many bytes of pending_, and of full_.
bool answer_text::look_for_stop(size_t begin, size_t full_begin) {
    for (const std::string & stop : stop_) {
        const size_t at = find_new(pending_, stop, begin);
        if (at != std::string::npos && at < stop_at_) {
            stop_at_ = at;
            found_ = stop;
        }
    }
    for (const std::string & stop : control_stop_) {
        const size_t at = find_new(full_, stop, full_begin);
        if (at != std::string::npos && shown_place(at) < stop_at_) {
            stop_at_ = shown_place(at);
            full_stop_at_ = at;
            found_ = stop;
        }
    }
    return !found_.empty();
}

size_t answer_text::full_end(size_t i) const {
    return i + 1 < tokens_.size() ? tokens_[i + 1].full_begin : full_.size();
}

size_t answer_text::shown_place(size_t at) const {
    for (size_t i = 0; i < tokens_.size(); i++) {
        const size_t end = full_end(i);
        if (at >= end) continue;
        // From the end: the beginning may have been released.
        const size_t n_behind = end - at;
        return is_hidden(tokens_[i].id) || at < tokens_[i].full_begin
                   ? tokens_[i].begin
                   : tokens_[i].end - std::min(n_behind, tokens_[i].end);
    }
    return pending_.size();
}

// Where the longest end of the text that begins a stop string begins.
static size_t held_from(const std::string & text, const std::vector<std::string> & stops) {
    size_t held = text.size();
    for (const std::string & stop : stops)
        for (size_t length = std::min(stop.size() - 1, text.size()); length > 0; length--)
            if (text.compare(text.size() - length, length, stop, 0, length) == 0) {
                held = std::min(held, text.size() - length);
                break;
            }
    return held;
}

void answer_text::release(std::string & text, std::vector<llama_token> & tokens) {
    const size_t n_full = held_from(full_, control_stop_);
    const size_t n = std::min(whole_utf8_prefix(pending_), held_from(pending_, stop_));
    take(std::min(n, shown_place(n_full)), n_full, text, tokens);
}

void answer_text::release_all(std::string & text, std::vector<llama_token> & tokens, bool goes_on) {
    const size_t n_kept = tokens_.size() - n_tokens_after_stop();
    const size_t n_text = !found_.empty() ? stop_at_ : goes_on ? whole_utf8_prefix(pending_) : pending_.size();
    // A token that straddles the start of the stop string stays in the answer; only its text is cut.
    for (size_t i = 0; i < n_kept; i++) tokens.push_back(tokens_[i].id);
    tokens_.erase(tokens_.begin(), tokens_.begin() + (long) n_kept);
    text.append(pending_, 0, n_text);
    pending_.erase(0, found_.empty() ? n_text : pending_.size());
    full_.clear();
}

size_t answer_text::n_tokens_after_stop() const {
    if (found_.empty()) return 0;
    return (size_t) std::count_if(tokens_.begin(), tokens_.end(), [this](const pending_token & t) {
        if (full_stop_at_ != std::string::npos) return t.full_begin >= full_stop_at_;
        return t.begin >= stop_at_ && !t.shown;
    });
}

void answer_text::take(size_t n_bytes, size_t n_full, std::string & text, std::vector<llama_token> & tokens) {
    text.append(pending_, 0, n_bytes);
    pending_.erase(0, n_bytes);
    size_t n = 0;
    while (n < tokens_.size() && tokens_[n].end <= n_bytes && full_end(n) <= n_full) tokens.push_back(tokens_[n++].id);
    const size_t n_full_gone = n < tokens_.size() ? tokens_[n].full_begin : full_.size();
    full_.erase(0, n_full_gone);
    tokens_.erase(tokens_.begin(), tokens_.begin() + (long) n);
    for (pending_token & token : tokens_) {
        token.shown = token.shown || token.begin < n_bytes;
        token.begin -= std::min(token.begin, n_bytes);
        token.end -= std::min(token.end, n_bytes);
        token.full_begin -= n_full_gone;
    }
}

}  // namespace overfill
