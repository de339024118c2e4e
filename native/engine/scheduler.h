// The engine's own thread. Tasks take turns, one step each: a step reads at most one micro-batch or writes one token,
// so several sessions of a pair advance together and an abort waits for no more than a step.
#pragma once

#include "failure.h"
#include "joined_thread.h"

#include <atomic>
#include <condition_variable>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace overfill {

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
    // `on_exit` runs on the engine thread after its last task: the place to free what only that thread may touch.
    // `on_idle` runs there when no task is ready any more. Neither may throw.
    explicit scheduler(
        std::function<void()> on_exit, std::function<void()> on_idle = [] {});

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

    std::function<void()> on_exit_, on_idle_;
    std::mutex mutex_;
    std::condition_variable changed_;
    // Lists: moving a task from one to another takes no memory, so the thread cannot fail at it.
    std::list<std::shared_ptr<task>> ready_, parked_;
    uint64_t n_wakes_ = 0;  // counted, so that a wake during a step is not lost
    std::atomic<bool> stopping_{ false };
    std::atomic<task *> running_{ nullptr };
    joined_thread thread_;
};

}  // namespace overfill
