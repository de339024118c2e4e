// A fit on a thread of its own, so that nothing else waits for it.
#pragma once

#include "fit.h"
#include "session_tasks.h"

#include <atomic>
#include <functional>
#include <thread>

namespace overfill {

class fit_job {
  public:
    // Begins at once. `on_progress` and `end` are called on the job's thread.
    fit_job(fit_options options, std::function<void(const fit_progress &)> on_progress, completion<fit_result> end);
    ~fit_job() { join(); }
    fit_job(const fit_job &) = delete;
    fit_job & operator=(const fit_job &) = delete;

    // Any thread. The fit then ends with error_code::aborted, unless it is over already.
    void abort() { stop_ = true; }

    // Aborts and waits for the thread's end. Not on the job's thread.
    void join();

  private:
    std::atomic<bool> stop_{ false };
    std::thread thread_;
};

}  // namespace overfill
