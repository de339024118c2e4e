// The engine's own thread. It goes in rounds: every task that writes a token has its turn in each, the tokens of
// several read in one batch where that pays; and so has what takes no time. Of those that read long texts, one reads a
// piece of its text, which is kept short while answers are written. So sessions advance together, and an abort waits
// for no more than a step.
//
// Where the models sit apart (pair::runs_apart), what the prefill model computes for a piece is computed on a second
// thread (compute_beside). The step of the piece waits for it on the engine thread, which meanwhile goes on with the
// answers that need nothing of the prefill model's. All else happens on the engine thread, one thing after the other.
#pragma once

#include "cache_ledger.h"
#include "failure.h"
#include "joined_thread.h"
#include "side_thread.h"

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
struct task_counts;

// The next tokens of a sequence, and who reads them.
struct batch_row {
    cached_sequence * cache;
    const llama_token * tokens;  // valid until the sequence's task has its turn
    uint32_t n;
    pair_side by;
    // A draft that is checked later, or that check. Checks wait for the drafts that others are about to complete, so
    // that they are read together, but no longer than each would take by itself.
    enum class part { token, draft, check } is = part::token;
};

// What a row's reading gave.
struct read_row {
    const float * logits;  // of its first token
    int32_t first;         // llama.cpp's number for these, from which on those of its other tokens are numbered
    double milliseconds;   // of the whole batch
    double share;          // of that, the row's
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

    // Engine thread, before a step: what the step would do.
    struct wish {
        enum class kind {
            turn,   // something short
            token,  // goes on with an answer by one token
            piece,  // reads a piece of a text
        };
        kind is = kind::turn;
        // Of a token: what would have to be read for it, if it may be read along with others'.
        std::optional<batch_row> row;
        // Of a piece: an answer waits for it.
        bool within_answer = false;
        // Of a piece: the higher goes first.
        int32_t priority = 0;
        // Of a token: may be written while a piece is computed on the second thread.
        bool beside = false;
    };
    virtual wish next() const noexcept { return {}; }

    // Engine thread, right before the step: the row was read and gave these logits, which are valid for the step.
    virtual void got_row(const read_row & row) { (void) row; }

    // Engine thread. The task is over without having been done.
    virtual void fail(const failure & error) noexcept = 0;

    // Any thread. The task sees it at its next step, and llama.cpp between two nodes of a graph.
    void abort() { aborted_.store(true, std::memory_order_relaxed); }
    bool aborted() const { return aborted_.load(std::memory_order_relaxed); }

    // Counts tasks in the order in which they came.
    uint64_t arrived() const { return arrived_; }

  private:
    friend class scheduler;

    std::atomic<bool> aborted_{ false };
    uint64_t arrived_ = 0;  // counted by the scheduler
    uint32_t n_held_ = 0;   // rounds that its row has waited for others
    double held_ms_ = 0;    // what was read in these
};

class scheduler {
  public:
    // A task with the row that it was asked for: asked again, it may have been aborted in between.
    struct row_request {
        task * by;
        batch_row row;
        // Set by who reads: it was read. The others' steps come after those of the tasks whose rows were, since they
        // may read over what these were given.
        bool was_read = false;
    };

    // What the scheduler does not do itself; any may be missing. All run on the engine thread and must not throw.
    struct hooks {
        // After the last task: the place to free what only that thread may touch.
        std::function<void()> on_exit;
        // No task is ready any more.
        std::function<void()> on_idle;
        // Reads the rows of several tasks and gives each its own; of each context one batch at most. Where it fails it
        // gives nothing, and the tasks read by themselves.
        std::function<void(std::vector<row_request> &)> read_rows;
        // What reading so many tokens at once takes that model, about; 0: not known.
        std::function<double(pair_side by, size_t n_tokens)> read_ms;
        // Around the step that reads a piece. `answers_ms`: what the tokens of the round took; nothing if no answer is
        // being written.
        std::function<void(std::optional<double> answers_ms)> before_piece;
        std::function<void()> after_piece;
    };

    scheduler() : scheduler(hooks()) {}
    explicit scheduler(hooks given);

    ~scheduler() { join(); }

    // Any thread. After `stop` the task fails at once with ERR_DISPOSED, on the calling thread.
    void submit(std::shared_ptr<task> item);

    // Any thread. Lets parked tasks take turns again.
    void wake() noexcept;

    // Any thread. Aborts the running step; tasks that wait fail with ERR_DISPOSED.
    void stop();

    // Engine thread, within the step of a piece: has the work done on the second thread, and gives turns to the answers
    // that go on beside it (wish::beside). Returns when it is done, and throws what it throws. Within any other step,
    // and where the system has no thread to give, the work is done at once.
    void compute_beside(const std::function<void()> & work);
    // Engine thread, within such an answer's step: waits until the work is done.
    void wait_for_beside();

    // Any thread.
    task_counts counts() const;
    // Any thread: turns that answers had beside pieces.
    uint64_t n_turns_beside() const { return n_turns_beside_; }

    // Stops and waits for the thread's end. Not on the engine thread.
    void join();

    // For llama.cpp: whether the running step should end early. `data` is the scheduler.
    static bool should_abort(void * data);

  private:
    void run() noexcept;

    using tasks = std::list<std::shared_ptr<task>>;
    struct round;
    void take_turns(tasks & current, uint64_t n_wakes, std::unique_lock<std::mutex> & lock);
    tasks::iterator next_piece();
    bool any_beside() const;
    round next_round(bool beside);
    void hold_checks(round & current);
    double drafts_ms(const round & current) const;
    void put_back_unread(round & current);
    void run_round(round & current, std::unique_lock<std::mutex> & lock);
    void run_piece(tasks & piece, const std::optional<double> & answers_ms, std::unique_lock<std::mutex> & lock);
    void run_round_beside(std::unique_lock<std::mutex> & lock);

    hooks hooks_;
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    // Lists: moving a task from one to another takes no memory, so the thread cannot fail at it.
    tasks ready_, parked_;
    size_t n_tasks_ = 0;    // those that the thread has in hand included
    uint64_t n_wakes_ = 0;  // counted, so that a wake during a step is not lost
    uint64_t n_arrived_ = 0;
    uint64_t n_pieces_ = 0;
    std::atomic<bool> stopping_{ false };
    std::vector<task *> running_;  // changed by the engine thread under the lock
    // The engine thread's: whether the running step is a piece's; turns, and rounds of what goes on beside pieces.
    bool in_piece_ = false;
    uint64_t n_turns_ = 0, n_rounds_beside_ = 0;
    task * computes_ = nullptr;  // whose work is on the second thread; changed like running_
    bool is_computed_ = false;   // that work is done; under the lock
    std::atomic<uint64_t> n_turns_beside_{ 0 };
    std::optional<side_thread> side_;  // while the thread runs
    joined_thread thread_;
};

}  // namespace overfill
