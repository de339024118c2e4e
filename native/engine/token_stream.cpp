#include "token_stream.h"

#include <iterator>
#include <new>

namespace overfill {

void decode_chunk::clear() {
    text.clear();
    tokens.clear();
    log_probs.clear();
}

token_stream::token_stream(std::function<void()> on_readable, std::function<void()> on_drained)
    : on_readable_(std::move(on_readable)), on_drained_(std::move(on_drained)) {
    waiting_.tokens.reserve(capacity);
}

void token_stream::notify(std::unique_lock<std::mutex> & lock) {
    const bool call = reader_waits_;
    reader_waits_ = false;
    lock.unlock();
    if (call) on_readable_();
}

bool token_stream::write(decode_chunk & piece) {
    std::unique_lock<std::mutex> lock(mutex_);
    waiting_.text += piece.text;
    waiting_.tokens.insert(waiting_.tokens.end(), piece.tokens.begin(), piece.tokens.end());
    std::move(piece.log_probs.begin(), piece.log_probs.end(), std::back_inserter(waiting_.log_probs));
    piece.clear();
    const bool full = waiting_.tokens.size() >= capacity;
    writer_waits_ = full;
    if (!waiting_.empty()) notify(lock);
    return !full;
}

void token_stream::finish(const decode_result & result) {
    std::unique_lock<std::mutex> lock(mutex_);
    result_ = result;
    notify(lock);
}

void token_stream::fail(const failure & error) noexcept {
    std::unique_lock<std::mutex> lock(mutex_);
    try {
        error_ = error;
    } catch (const std::bad_alloc &) {
        error_ = current_failure();
    }
    notify(lock);
}

token_stream::reading token_stream::read() {
    std::unique_lock<std::mutex> lock(mutex_);
    reading out;
    out.chunk = std::move(waiting_);
    waiting_.clear();
    waiting_.tokens.reserve(capacity);
    out.result = result_;
    // A chunk goes out by itself before the failure: who throws the one would lose the other.
    if (out.chunk.empty()) out.error = error_;
    reader_waits_ = !out.ready();
    const bool drained = writer_waits_;
    writer_waits_ = false;
    lock.unlock();
    if (drained) on_drained_();
    return out;
}

size_t token_stream::n_waiting() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return waiting_.tokens.size();
}

}  // namespace overfill
