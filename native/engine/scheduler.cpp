#include "scheduler.h"

namespace overfill {

static failure disposed() { return failure(error_code::disposed, "the pair was disposed"); }

scheduler::scheduler(std::function<void()> on_exit)
    : on_exit_(std::move(on_exit)), thread_([this] { run(); }, [this] { stop(); }) {}

void scheduler::join() { thread_.join(); }

void scheduler::submit(std::shared_ptr<task> item) {
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (!stopping_) {
            ready_.push_back(std::move(item));
            changed_.notify_one();
            return;
        }
    }
    item->fail(disposed());
}

void scheduler::wake() {
    const std::lock_guard<std::mutex> lock(mutex_);
    n_wakes_++;
    for (auto & item : parked_) ready_.push_back(std::move(item));
    parked_.clear();
    changed_.notify_one();
}

void scheduler::stop() {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
    changed_.notify_one();
}

bool scheduler::should_abort(void * data) {
    const auto * self = static_cast<const scheduler *>(data);
    const task * running = self->running_.load(std::memory_order_relaxed);
    return self->stopping_.load(std::memory_order_relaxed) || (running && running->aborted());
}

void scheduler::run() noexcept {
    std::unique_lock<std::mutex> lock(mutex_);
    while (true) {
        changed_.wait(lock, [this] { return stopping_ || !ready_.empty(); });
        if (stopping_) break;
        std::shared_ptr<task> item = std::move(ready_.front());
        ready_.pop_front();
        const uint64_t n_wakes = n_wakes_;
        lock.unlock();

        running_ = item.get();
        task::turn turn = task::turn::done;
        try {
            turn = item->step();
        } catch (...) {
            item->fail(current_failure());
        }
        running_ = nullptr;

        lock.lock();
        if (turn == task::turn::parked && n_wakes == n_wakes_)
            parked_.push_back(std::move(item));
        else if (turn != task::turn::done)
            ready_.push_back(std::move(item));
        else {
            // The task's destructor may be long or call back: not under the lock.
            lock.unlock();
            item.reset();
            lock.lock();
        }
    }

    std::deque<std::shared_ptr<task>> left = std::move(ready_);
    left.insert(left.end(), parked_.begin(), parked_.end());
    parked_.clear();
    lock.unlock();
    for (const auto & item : left) item->fail(disposed());
    left.clear();
    on_exit_();
}

}  // namespace overfill
