#include "scheduler.h"

#include "clock.h"
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

scheduler::scheduler(hooks given)
    : hooks_(std::move(given)), running_(room_for_one()), thread_([this] { run(); }, [this] { stop(); }) {}

void scheduler::join() { thread_.join(); }

void scheduler::submit(std::shared_ptr<task> item) {
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (!stopping_) {
            item->arrived_ = n_arrived_++;
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

// What is done before the scheduler looks again at who is ready.
struct scheduler::round {
    tasks with_rows;  // first: what the next read of the decode model gives takes the place of their logits
    tasks turns;
    tasks piece;  // one at most
    std::vector<row_request> rows;
    bool answers = false;  // some of the turns write tokens
};

// One piece in so many goes to the task that has waited longest, whatever the others' priorities.
static constexpr uint64_t fair_pieces = 8;

scheduler::round scheduler::next_round() {
    round out;
    // Without memory for a list of several, a task reads its token alone: the thread must not fail.
    const auto ask = [&](task & item, const task::wish & wish) {
        if (!wish.row || !hooks_.read_rows) return false;
        try {
            running_.reserve(out.rows.size() + 1);
            out.rows.push_back({ &item, *wish.row });
        } catch (const std::bad_alloc &) {
            return false;
        }
        return true;
    };
    const bool by_age = n_pieces_ % fair_pieces == fair_pieces - 1;
    auto chosen = ready_.end();
    task::wish wish_of_chosen;
    const auto goes_first = [&](const task & item, const task::wish & wish) {
        if (chosen == ready_.end()) return true;
        if (!by_age && wish.within_answer != wish_of_chosen.within_answer) return wish.within_answer;
        if (!by_age && wish.priority != wish_of_chosen.priority) return wish.priority > wish_of_chosen.priority;
        return item.arrived_ < (*chosen)->arrived_;
    };
    for (auto it = ready_.begin(); it != ready_.end();) {
        const auto item = it++;
        const task::wish wish = (*item)->next();
        if (wish.is == task::wish::kind::piece) {
            if (!goes_first(**item, wish)) continue;
            chosen = item;
            wish_of_chosen = wish;
            continue;
        }
        out.answers = out.answers || wish.is == task::wish::kind::token;
        tasks & list = ask(**item, wish) ? out.with_rows : out.turns;
        list.splice(list.end(), ready_, item);
    }
    if (chosen != ready_.end()) out.piece.splice(out.piece.end(), ready_, chosen);
    return out;
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

void scheduler::run_round(round & current, std::unique_lock<std::mutex> & lock) {
    const uint64_t n_wakes = n_wakes_;
    const stopwatch watch;
    if (current.rows.size() > 1) {
        for (const row_request & request : current.rows) running_.push_back(request.by);
        lock.unlock();
        hooks_.read_rows(current.rows);
        lock.lock();
    }
    take_turns(current.with_rows, n_wakes, lock);
    take_turns(current.turns, n_wakes, lock);
    if (!current.piece.empty()) {
        n_pieces_++;
        if (hooks_.before_piece)
            hooks_.before_piece(current.answers ? std::optional<double>(watch.milliseconds()) : std::nullopt);
        take_turns(current.piece, n_wakes, lock);
        if (hooks_.after_piece) {
            lock.unlock();
            hooks_.after_piece();
            lock.lock();
        }
    }
}

void scheduler::run() noexcept {
    std::unique_lock<std::mutex> lock(mutex_);
    while (true) {
        if (hooks_.on_idle && ready_.empty() && !stopping_) {
            lock.unlock();
            hooks_.on_idle();
            lock.lock();
        }
        changed_.wait(lock, [this] { return stopping_ || !ready_.empty(); });
        if (stopping_) break;
        round current = next_round();
        run_round(current, lock);
    }

    tasks left;
    left.splice(left.end(), ready_);
    left.splice(left.end(), parked_);
    n_tasks_ = 0;
    lock.unlock();
    for (const auto & item : left) item->fail(disposed);
    left.clear();
    if (hooks_.on_exit) hooks_.on_exit();
}

}  // namespace overfill
