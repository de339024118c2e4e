#include "scheduler.h"

#include "clock.h"
#include "options.h"

#include <algorithm>
#include <exception>
#include <new>

namespace overfill {

// On the second thread: the task that it computes for.
static thread_local const task * computes_here = nullptr;

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
    if (computes_) computes_->abort();
    changed_.notify_one();
}

bool scheduler::should_abort(void * data) {
    const auto * self = static_cast<const scheduler *>(data);
    if (self->stopping_.load(std::memory_order_relaxed)) return true;
    if (computes_here) return computes_here->aborted();
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

scheduler::tasks::iterator scheduler::next_piece() {
    const bool by_age = n_pieces_ % fair_pieces == fair_pieces - 1;
    auto chosen = ready_.end();
    task::wish wish_of_chosen;
    const auto goes_first = [&](const task & item, const task::wish & wish) {
        if (chosen == ready_.end()) return true;
        if (!by_age && wish.within_answer != wish_of_chosen.within_answer) return wish.within_answer;
        if (!by_age && wish.priority != wish_of_chosen.priority) return wish.priority > wish_of_chosen.priority;
        return item.arrived_ < (*chosen)->arrived_;
    };
    for (auto it = ready_.begin(); it != ready_.end(); it++) {
        const task::wish wish = (*it)->next();
        if (wish.is != task::wish::kind::piece || !goes_first(**it, wish)) continue;
        chosen = it;
        wish_of_chosen = wish;
    }
    return chosen;
}

// `beside`: of the answers that go on beside a piece, and no piece. These are left out where there is one, as they have
// their turns while it is computed.
scheduler::round scheduler::next_round(bool beside) {
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
    if (const auto chosen = beside ? ready_.end() : next_piece(); chosen != ready_.end())
        out.piece.splice(out.piece.end(), ready_, chosen);
    const bool besides_wanted = beside || out.piece.empty();
    for (auto it = ready_.begin(); it != ready_.end();) {
        const auto item = it++;
        const task::wish wish = (*item)->next();
        if (wish.is == task::wish::kind::piece || (wish.beside ? !besides_wanted : beside)) continue;
        // What does not compete with a piece does not make it shorter.
        out.answers = out.answers || (wish.is == task::wish::kind::token && !wish.beside);
        tasks & list = ask(**item, wish) ? out.with_rows : out.turns;
        list.splice(list.end(), ready_, item);
    }
    hold_checks(out);
    return out;
}

// Rounds that a check waits at most. Drafts are no longer.
static constexpr uint32_t most_held = 16;

// What this round's drafts take. Those of one model are read at once.
double scheduler::drafts_ms(const round & current) const {
    if (!hooks_.read_ms) return 0;
    double sum = 0;
    for (const row_request & request : current.rows) {
        if (request.row.is != batch_row::part::draft) continue;
        const auto n = std::count_if(current.rows.begin(), current.rows.end(), [&](const row_request & other) {
            return other.row.is == batch_row::part::draft && other.row.by == request.row.by;
        });
        sum += hooks_.read_ms(request.row.by, (size_t) n) / (double) n;
    }
    return sum;
}

// Checks of several answers in one batch cost little more than one, and come together once they have waited for each
// other. What is computed meanwhile, the others' drafts, has to be computed in any case. But an answer whose drafts
// cost nothing, as they are found in the text, would wait for each whole draft of another's: what waiting costs it is
// bounded by what reading together can save it, the time of its check.
void scheduler::hold_checks(round & current) {
    const auto is = [](const row_request & request, batch_row::part what) { return request.row.is == what; };
    const auto any = [&](batch_row::part what) {
        return std::any_of(current.rows.begin(), current.rows.end(), [&](const auto & one) { return is(one, what); });
    };
    if (!any(batch_row::part::check)) return;
    const bool drafts = any(batch_row::part::draft);
    const double round_ms = drafts_ms(current);
    const auto pays = [&](const row_request & check) {
        const double alone_ms = hooks_.read_ms ? hooks_.read_ms(check.row.by, check.row.n) : 0;
        return alone_ms <= 0 || check.by->held_ms_ + round_ms <= alone_ms;
    };
    size_t n_left = 0;
    for (const row_request & request : current.rows) {
        const bool holds =
            is(request, batch_row::part::check) && drafts && request.by->n_held_ < most_held && pays(request);
        request.by->n_held_ = holds ? request.by->n_held_ + 1 : 0;
        request.by->held_ms_ = holds ? request.by->held_ms_ + round_ms : 0;
        if (!holds) {
            current.rows[n_left++] = request;
            continue;
        }
        const auto held = std::find_if(current.with_rows.begin(), current.with_rows.end(),
                                       [&](const auto & item) { return item.get() == request.by; });
        ready_.splice(ready_.end(), current.with_rows, held);
    }
    current.rows.erase(current.rows.begin() + (std::ptrdiff_t) n_left, current.rows.end());
}

void scheduler::put_back_unread(round & current) {
    for (const row_request & request : current.rows) {
        if (request.was_read) continue;
        const auto unread = std::find_if(current.with_rows.begin(), current.with_rows.end(),
                                         [&](const auto & item) { return item.get() == request.by; });
        current.turns.splice(current.turns.begin(), current.with_rows, unread);
    }
}

void scheduler::take_turns(tasks & current, uint64_t n_wakes, std::unique_lock<std::mutex> & lock) {
    while (!current.empty() && !stopping_) {
        task & item = *current.front();
        running_.assign(1, &item);
        n_turns_++;
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
        put_back_unread(current);
        // After a stop no turns follow, and a second one must not find tasks that have gone.
        running_.clear();
    }
    take_turns(current.with_rows, n_wakes, lock);
    take_turns(current.turns, n_wakes, lock);
    if (!current.piece.empty())
        run_piece(current.piece, current.answers ? std::optional<double>(watch.milliseconds()) : std::nullopt, lock);
}

void scheduler::run_piece(tasks & piece, const std::optional<double> & answers_ms,
                          std::unique_lock<std::mutex> & lock) {
    const uint64_t n_before = n_rounds_beside_;
    n_pieces_++;
    if (hooks_.before_piece) hooks_.before_piece(answers_ms);
    in_piece_ = true;
    take_turns(piece, n_wakes_, lock);
    in_piece_ = false;
    if (hooks_.after_piece) {
        lock.unlock();
        hooks_.after_piece();
        lock.lock();
    }
    // A piece of which nothing was computed: it was found in a cache, say.
    if (n_rounds_beside_ == n_before && any_beside()) run_round_beside(lock);
}

bool scheduler::any_beside() const {
    return !stopping_ &&
           std::any_of(ready_.begin(), ready_.end(), [](const auto & item) { return item->next().beside; });
}

void scheduler::run_round_beside(std::unique_lock<std::mutex> & lock) {
    n_rounds_beside_++;
    round current = next_round(true);
    run_round(current, lock);
}

void scheduler::compute_beside(const std::function<void()> & work) {
    if (!in_piece_ || computes_) return work();
    task * const piece = running_.front();
    std::exception_ptr failed;
    const std::function<void()> on_side = [&] {
        computes_here = piece;
        try {
            work();
        } catch (...) {
            failed = std::current_exception();
        }
        computes_here = nullptr;
        const std::lock_guard<std::mutex> lock(mutex_);
        is_computed_ = true;
        changed_.notify_one();
    };
    std::unique_lock<std::mutex> lock(mutex_);
    computes_ = piece;
    is_computed_ = false;
    if (!side_->begin(on_side)) {
        computes_ = nullptr;
        lock.unlock();
        return work();
    }
    running_.clear();
    while (true) {
        changed_.wait(lock, [this] { return is_computed_ || any_beside(); });
        if (is_computed_) break;
        const size_t n_before = n_turns_;
        run_round_beside(lock);
        n_turns_beside_ += n_turns_ - n_before;
    }
    running_.assign(1, piece);
    computes_ = nullptr;
    lock.unlock();
    if (failed) std::rethrow_exception(std::exchange(failed, nullptr));
}

void scheduler::wait_for_beside() {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return !computes_ || is_computed_; });
}

void scheduler::run() noexcept {
    side_.emplace();
    std::unique_lock<std::mutex> lock(mutex_);
    while (true) {
        if (hooks_.on_idle && ready_.empty() && !stopping_) {
            lock.unlock();
            hooks_.on_idle();
            lock.lock();
        }
        changed_.wait(lock, [this] { return stopping_ || !ready_.empty(); });
        if (stopping_) break;
        round current = next_round(false);
        run_round(current, lock);
    }

    tasks left;
    left.splice(left.end(), ready_);
    left.splice(left.end(), parked_);
    n_tasks_ = 0;
    lock.unlock();
    for (const auto & item : left) item->fail(disposed);
    left.clear();
    side_.reset();
    if (hooks_.on_exit) hooks_.on_exit();
}

}  // namespace overfill
