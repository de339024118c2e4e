// Long work on a thread of its own, so that nothing else waits for it.
#pragma once

#include "completion.h"
#include "failure.h"
#include "joined_thread.h"

#include <atomic>
#include <functional>
#include <utility>

namespace overfill {

template <class Result> class background_job {
  public:
    // Begins at once. `work` and `end` are called on the job's thread. `work` looks at the flag from time to time, and
    // throws error_code::aborted when it is set. Where `end.done` throws, `end.failed` is called, which must not throw.
    // Throws what joined_thread throws.
    background_job(std::function<Result(const std::atomic<bool> & stop)> work, completion<Result> end)
        : thread_(
              [this, work = std::move(work), end = std::move(end)] {
                  try {
                      end.done(work(stop_));
                  } catch (...) {
                      end.failed(current_failure());
                  }
              },
              [this] { abort(); }) {}
    ~background_job() { join(); }
    background_job(const background_job &) = delete;
    background_job & operator=(const background_job &) = delete;

    // Any thread. The work then ends with error_code::aborted, unless it is over already.
    void abort() { stop_ = true; }

    // Aborts and waits for the thread's end. Not on the job's thread.
    void join() { thread_.join(); }

  private:
    std::atomic<bool> stop_{ false };
    joined_thread thread_;
};

}  // namespace overfill
