#include "session_places.h"

#include <algorithm>
#include <optional>
#include <string>

namespace overfill {

// Made while there is memory: who fails a call must not fail.
static const failure disposed(error_code::disposed, "the pair was disposed");
static const failure left(error_code::aborted, "aborted");

session_places::session_places(uint32_t n_places, uint32_t max_waiting)
    : n_places_(n_places), max_waiting_(max_waiting) {
    for (uint32_t i = 0; i < n_places; i++) free_.push_back((llama_seq_id) i);
}

session_places::ticket session_places::take(int32_t priority, completion<llama_seq_id> end) {
    llama_seq_id place;
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (closed_) throw disposed;
        if (free_.empty()) {
            if (waiting_.size() >= max_waiting_)
                throw failure(error_code::queue_full,
                              "all " + std::to_string(n_places_) + " sessions of the pair are open and " +
                                  std::to_string(max_waiting_) +
                                  " calls wait for one; dispose one, or load the pair with a larger maxSessions or "
                                  "queue.maxWaiting",
                              { { "maxSessions", n_places_ }, { "maxWaiting", max_waiting_ } });
            return waiting_.add(priority, std::move(end));
        }
        // The lowest: llama.cpp makes one micro-batch of sequences that follow one another.
        const auto lowest = std::min_element(free_.begin(), free_.end());
        place = *lowest;
        free_.erase(lowest);
    }
    if (!grant(end, place)) give_back(place);
    return 0;
}

// False: it did not take the place.
bool session_places::grant(const completion<llama_seq_id> & end, llama_seq_id place) {
    try {
        end.done(place);
        return true;
    } catch (...) {
        end.failed(current_failure());
        return false;
    }
}

void session_places::leave(ticket which) {
    std::optional<completion<llama_seq_id>> call;
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        call = waiting_.remove(which);
    }
    if (call) call->failed(left);
}

void session_places::give_back(llama_seq_id place) {
    while (true) {
        std::optional<completion<llama_seq_id>> next;
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            next = waiting_.take_next();
            if (!next) {
                // It was in the list before, which has the room.
                free_.push_back(place);
                return;
            }
        }
        if (grant(*next, place)) return;
    }
}

void session_places::close() {
    while (true) {
        std::optional<completion<llama_seq_id>> next;
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            closed_ = true;
            next = waiting_.take_next();
        }
        if (!next) return;
        next->failed(disposed);
    }
}

uint32_t session_places::n_taken() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return n_places_ - (uint32_t) free_.size();
}

uint32_t session_places::n_waiting() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return (uint32_t) waiting_.size();
}

}  // namespace overfill
