// The engine's own thread. Tasks take turns, one step each: a step reads at most one micro-batch or writes one token,
// so several sessions of a pair advance together and an abort waits for no more than a step. Tasks that want one token
// read by the decode model have it read in one batch, and then take their turns.
#pragma once

#include "cache_ledger.h"
#include "failure.h"
#include "joined_thread.h"

#include <llama.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

namespace overfill {

class cached_sequence;

// The next token of a sequence, and who reads it.
struct batch_row {
    cached_sequence * cache;
    llama_token token;
    pair_side by;
};

class task {
  public:
    enum class turn {
        again,   // has more to do
        parked,  // waits for scheduler::wake
        done,
    };

    virtual ~task() = default;

    // Engine thread. May throw: the task is then over and `fail` is called.
    virtual turn step() = 0;

    // Engine thread, before a step: the token that the step would have its writer read, if it may be read along
    // with others'.
    virtual std::optional<batch_row> row() noexcept { return std::nullopt; }

    // Engine thread, right before the step: the row was read and gave these logits, which are valid for the step.
    virtual void got_row(const float * logits, double milliseconds) {
        (void) logits;
        (void) milliseconds;
    }

    // Engine thread. The task is over without having been done.
    virtual void fail(const failure & error) noexcept = 0;

    // Any thread. The task sees it at its next step, and llama.cpp between two nodes of a graph.
    void abort() { aborted_.store(true, std::memory_order_relaxed); }
    bool aborted() const { return aborted_.load(std::memory_order_relaxed); }

  private:
    std::atomic<bool> aborted_{ false };
};

class scheduler {
  public:
    // A task with the row that it was asked for: asked again, it may have been aborted in between.
    struct row_request {
        task * by;
        batch_row row;
    };

    // Reads the rows of several tasks and gives each its own. Where it fails it gives nothing, and the tasks read by
    // themselves. Must not throw.
    using rows_reader = std::function<void(std::vector<row_request> &)>;

    // `on_exit` runs on the engine thread after its last task: the place to free what only that thread may touch.
    // `on_idle` runs there when no task is ready any more. Neither may throw.
    explicit scheduler(std::function<void()> on_exit, std::function<void()> on_idle = nullptr,
                       rows_reader read_rows = nullptr);

    ~scheduler() { join(); }

    // Any thread. After `stop` the task fails at once with ERR_DISPOSED, on the calling thread.
    void submit(std::shared_ptr<task> item);

    // Any thread. Lets parked tasks take turns again.
    void wake() noexcept;

    // Any thread. Aborts the running step; tasks that wait fail with ERR_DISPOSED.
    void stop();

    // Stops and waits for the thread's end. Not on the engine thread.
    void join();

    // For llama.cpp: whether the running step should end early. `data` is the scheduler.
    static bool should_abort(void * data);

  private:
    void run() noexcept;

    using tasks = std::list<std::shared_ptr<task>>;
    void take_turns(tasks & current, uint64_t n_wakes, std::unique_lock<std::mutex> & lock);
    tasks next_tasks(std::vector<row_request> & rows);

    std::function<void()> on_exit_, on_idle_;
    rows_reader read_rows_;
    std::mutex mutex_;
    std::condition_variable changed_;
    // Lists: moving a task from one to another takes no memory, so the thread cannot fail at it.
    tasks ready_, parked_;
    uint64_t n_wakes_ = 0;  // counted, so that a wake during a step is not lost
    std::atomic<bool> stopping_{ false };
    std::vector<task *> running_;  // changed by the engine thread under the lock
    joined_thread thread_;
};

}  // namespace overfill
