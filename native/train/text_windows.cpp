#include "text_windows.h"

#include "failure.h"

#include <unordered_map>

namespace overfill {

text_windows::text_windows(const std::string & path, const llama_vocab * vocab, uint32_t n_tokens, uint64_t window,
                           uint64_t seed)
    : path_(path), vocab_(vocab), n_tokens_(n_tokens), size_(window) {
    position_.random.value = seed;
    rewind();
    if (!fill()) throw failure(error_code::data_invalid, path + " holds no text to train on", { { "path", path } });
}

void text_windows::rewind() {
    text_ = std::make_unique<corpus>(path_, vocab_, n_tokens_);
    position_.next = { 0, 0, 1 };
}

// The next window; empty at the text's end. Its last piece may be a token too short to ask for anything.
std::vector<llama_token> text_windows::read() {
    std::vector<llama_token> tokens = text_->next();
    if (tokens.size() < 2) return {};
    position_.next.number++;
    return tokens;
}

bool text_windows::fill() {
    while (tokens_.size() < size_) {
        const uint64_t number = position_.next.number;
        std::vector<llama_token> tokens = read();
        if (tokens.empty()) break;
        position_.window.push_back({ 0, 0, number });
        tokens_.push_back(std::move(tokens));
    }
    return !tokens_.empty();
}

text_window text_windows::next() {
    if (!fill()) {
        position_.epoch++;
        rewind();
        if (!fill())
            throw failure(error_code::file_read_failed, path_ + " was emptied while it was read",
                          { { "path", path_ } });
    }
    const auto drawn = (std::ptrdiff_t) position_.random.below(tokens_.size());
    text_window out{ std::move(tokens_[(size_t) drawn]), position_.window[(size_t) drawn].number, position_.epoch };
    tokens_.erase(tokens_.begin() + drawn);
    position_.window.erase(position_.window.begin() + drawn);
    return out;
}

void text_windows::resume(line_position position) {
    std::unordered_map<uint64_t, size_t> wanted;
    for (size_t i = 0; i < position.window.size(); i++) wanted[position.window[i].number] = i;
    std::vector<std::vector<llama_token>> tokens(position.window.size());
    size_t n_found = 0;
    rewind();
    while (position_.next.number < position.next.number) {
        const auto place = wanted.find(position_.next.number);
        std::vector<llama_token> read_tokens = read();
        if (read_tokens.empty()) break;
        if (place == wanted.end()) continue;
        tokens[place->second] = std::move(read_tokens);
        n_found++;
    }
    if (position_.next.number != position.next.number || n_found != position.window.size() ||
        position.window.size() > size_)
        throw failure(error_code::data_invalid, path_ + " is not the text that the run began with",
                      { { "path", path_ } });
    tokens_ = std::move(tokens);
    position_ = std::move(position);
}

}  // namespace overfill
