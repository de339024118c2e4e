// What somebody else's prefill model has read, as it comes in: whoever fetches it puts it here on one thread, and the
// prefill of a session (session::prefill_run) takes it on the engine thread, as if it had read it itself.
#pragma once

#include "prefix_cache.h"

#include <llama.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <utility>
#include <vector>

namespace overfill {

// The next tokens' rows (kv_rows.h) in the cache of who writes, and their XXH3. The last ones of a prompt come with the
// logits of the token after it.
struct given_cells {
    uint32_t n_tokens = 0;
    shared_bytes rows;
    uint64_t hash = 0;
    std::vector<float> logits;
};

class cell_source {
  public:
    // Engine thread: all of the text, and from where on it is wanted.
    using ask = std::function<void(const std::vector<llama_token> & text, uint32_t from)>;

    explicit cell_source(ask wanted) : wanted_(std::move(wanted)) {}

    // Any thread. Whoever takes it has to be woken.
    void put(given_cells cells) {
        const std::lock_guard<std::mutex> lock(mutex_);
        given_.push_back(std::move(cells));
    }

    // Engine thread: asks, the first time. What came first and was not dropped; null: nothing yet.
    const given_cells * next(const std::vector<llama_token> & text, uint32_t from) {
        if (wanted_) std::exchange(wanted_, nullptr)(text, from);
        const std::lock_guard<std::mutex> lock(mutex_);
        return given_.empty() ? nullptr : &given_.front();
    }
    void drop() {
        const std::lock_guard<std::mutex> lock(mutex_);
        given_.pop_front();
    }

  private:
    ask wanted_;
    std::mutex mutex_;
    std::deque<given_cells> given_;  // references to its elements outlive a push
};

}  // namespace overfill
