#include "scheduler.h"

namespace overfill {

// Made while there is memory: the thread that reports it must not fail.
static const failure disposed(error_code::disposed, "the pair was disposed");

scheduler::scheduler(std::function<void()> on_exit, std::function<void()> on_idle)
    : on_exit_(std::move(on_exit)), on_idle_(std::move(on_idle)), thread_([this] { run(); }, [this] { stop(); }) {}

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
    item->fail(disposed);
}

void scheduler::wake() noexcept {
    const std::lock_guard<std::mutex> lock(mutex_);
    n_wakes_++;
    ready_.splice(ready_.end(), parked_);
    changed_.notify_one();
}

void scheduler::stop() {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
    // Under the lock the thread cannot let go of the task that runs.
    if (task * running = running_.load()) running->abort();
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
        if (ready_.empty() && !stopping_) {
            lock.unlock();
            on_idle_();
            lock.lock();
        }
        changed_.wait(lock, [this] { return stopping_ || !ready_.empty(); });
        if (stopping_) break;
        std::list<std::shared_ptr<task>> current;
        current.splice(current.begin(), ready_, ready_.begin());
        task & item = *current.front();
        const uint64_t n_wakes = n_wakes_;
        running_ = &item;
        lock.unlock();

        task::turn turn = task::turn::done;
        try {
            turn = item.step();
        } catch (...) {
            item.fail(current_failure());
        }

        lock.lock();
        running_ = nullptr;
        if (turn == task::turn::parked && n_wakes == n_wakes_)
            parked_.splice(parked_.end(), current);
        else if (turn != task::turn::done)
            ready_.splice(ready_.end(), current);
        else {
            // The task's destructor may be long or call back: not under the lock.
            lock.unlock();
            current.clear();
            lock.lock();
        }
    }

    std::list<std::shared_ptr<task>> left;
    left.splice(left.end(), ready_);
    left.splice(left.end(), parked_);
    lock.unlock();
    for (const auto & item : left) item->fail(disposed);
    left.clear();
    on_exit_();
}

}  // namespace overfill
