// Events from any thread for one reader, and a bell that is rung once for any number of them.
#pragma once

#include <cstddef>
#include <exception>
#include <functional>
#include <mutex>
#include <utility>
#include <vector>

namespace overfill {

template <class Event> class event_queue {
  public:
    // `ring` wakes the reader, who then calls `take`, and returns whether it could; it must not throw. Called on the
    // thread that posts.
    explicit event_queue(std::function<bool()> ring) : ring_(std::move(ring)) {}

    // Any thread. After `shut` nothing happens. A bell that could not be rung is rung again by the next event.
    void post(Event item) {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (shut_) return;
        events_.push_back(std::move(item));
        if (!rung_) rung_ = ring_();
    }

    // The same unless so many events wait already; false then.
    bool try_post(Event item, size_t most) {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (shut_) return true;
        if (events_.size() >= most) return false;
        events_.push_back(std::move(item));
        if (!rung_) rung_ = ring_();
        return true;
    }

    // Any thread. For a reader that has something to look at besides the events.
    void wake() noexcept {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (!shut_ && !rung_) rung_ = ring_();
    }

    // The reader. The next event rings again.
    std::vector<Event> take() {
        const std::lock_guard<std::mutex> lock(mutex_);
        rung_ = false;
        return std::exchange(events_, {});
    }

    // The bell is about to go: nothing is posted and nothing rung any more.
    void shut() {
        const std::lock_guard<std::mutex> lock(mutex_);
        shut_ = true;
        events_.clear();
    }

  private:
    std::function<bool()> ring_;
    std::mutex mutex_;
    std::vector<Event> events_;
    bool rung_ = false;
    bool shut_ = false;
};

// Calls `deliver` for every event. One that throws takes nothing from the others: the first exception leaves when all
// have had their turn.
template <class Event, class Deliver> void deliver_all(const std::vector<Event> & events, const Deliver & deliver) {
    std::exception_ptr first;
    for (const Event & item : events) {
        try {
            deliver(item);
        } catch (...) {
            if (!first) first = std::current_exception();
        }
    }
    if (first) std::rethrow_exception(first);
}

}  // namespace overfill
