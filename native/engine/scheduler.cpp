#include "scheduler.h"

#include "options.h"

#include <new>

namespace overfill {

// Made while there is memory: the thread that reports it must not fail.
static const failure disposed(error_code::disposed, "the pair was disposed");

// The task that runs alone is taken down without taking memory.
static std::vector<task *> room_for_one() {
    std::vector<task *> list;
    list.reserve(1);
    return list;
}

scheduler::scheduler(std::function<void()> on_exit, std::function<void()> on_idle, rows_reader read_rows)
    : on_exit_(std::move(on_exit)), on_idle_(std::move(on_idle)), read_rows_(std::move(read_rows)),
      running_(room_for_one()), thread_([this] { run(); }, [this] { stop(); }) {}

void scheduler::join() { thread_.join(); }

void scheduler::submit(std::shared_ptr<task> item) {
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (!stopping_) {
            ready_.push_back(std::move(item));
            n_tasks_++;
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

task_counts scheduler::counts() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return { n_tasks_ - ready_.size() - parked_.size(), ready_.size(), parked_.size() };
}

void scheduler::stop() {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
    // Under the lock the thread cannot let go of the tasks that run.
    for (task * running : running_) running->abort();
    changed_.notify_one();
}

bool scheduler::should_abort(void * data) {
    const auto * self = static_cast<const scheduler *>(data);
    if (self->stopping_.load(std::memory_order_relaxed)) return true;
    // llama.cpp asks on the engine thread, which alone changes the list. What several tasks wait for is one token,
    // which is finished: a graph that is left halfway may have moved other sequences' recurrent states.
    return self->running_.size() == 1 && self->running_[0]->aborted();
}

// The first ready task and, if it wants a row, all others that do.
scheduler::tasks scheduler::next_tasks(std::vector<row_request> & rows) {
    // Without memory for a list of several, a task takes its turn alone: the thread must not fail.
    const auto ask = [&](task & item) {
        const std::optional<batch_row> row = item.row();
        if (!row) return false;
        try {
            running_.reserve(rows.size() + 1);
            rows.push_back({ &item, *row });
        } catch (const std::bad_alloc &) {
            return false;
        }
        return true;
    };
    tasks current;
    current.splice(current.begin(), ready_, ready_.begin());
    if (!read_rows_ || !ask(*current.front())) return current;
    for (auto it = ready_.begin(); it != ready_.end();) {
        const auto item = it++;
        if (ask(**item)) current.splice(current.end(), ready_, item);
    }
    return current;
}

void scheduler::take_turns(tasks & current, uint64_t n_wakes, std::unique_lock<std::mutex> & lock) {
    while (!current.empty() && !stopping_) {
        task & item = *current.front();
        running_.assign(1, &item);
        lock.unlock();
        task::turn turn = task::turn::done;
        try {
            turn = item.step();
        } catch (...) {
            item.fail(current_failure());
        }
        lock.lock();
        running_.clear();
        if (turn == task::turn::parked && n_wakes == n_wakes_)
            parked_.splice(parked_.end(), current, current.begin());
        else if (turn != task::turn::done)
            ready_.splice(ready_.end(), current, current.begin());
        else {
            // The task's destructor may be long or call back: not under the lock.
            tasks done;
            done.splice(done.begin(), current, current.begin());
            n_tasks_--;
            lock.unlock();
            done.clear();
            lock.lock();
        }
    }
    // After a stop, those that had no turn fail like all that wait.
    ready_.splice(ready_.end(), current);
}

void scheduler::run() noexcept {
    std::unique_lock<std::mutex> lock(mutex_);
    while (true) {
        if (on_idle_ && ready_.empty() && !stopping_) {
            lock.unlock();
            on_idle_();
            lock.lock();
        }
        changed_.wait(lock, [this] { return stopping_ || !ready_.empty(); });
        if (stopping_) break;
        std::vector<row_request> rows;
        tasks current = next_tasks(rows);
        const uint64_t n_wakes = n_wakes_;
        if (rows.size() > 1) {
            for (const row_request & request : rows) running_.push_back(request.by);
            lock.unlock();
            read_rows_(rows);
            lock.lock();
        }
        take_turns(current, n_wakes, lock);
    }

    tasks left;
    left.splice(left.end(), ready_);
    left.splice(left.end(), parked_);
    n_tasks_ = 0;
    lock.unlock();
    for (const auto & item : left) item->fail(disposed);
    left.clear();
    on_exit_();
}

}  // namespace overfill
