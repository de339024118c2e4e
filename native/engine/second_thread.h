// The scheduler's second thread, as a pair whose models run apart uses it (pair::runs_apart).
#pragma once

#include <functional>

namespace overfill {

class cache_pool;
class scheduler;

struct second_thread {
    // Has the work done there, and returns when that is done. What happens on this thread meanwhile may use the pair,
    // but neither its prefill model nor that one's cache; whoever has to waits first, and may then touch the cells of
    // other sequences than the one that is read.
    std::function<void(const std::function<void()> & work)> beside;
    // Waits until the work is done, if it is not.
    std::function<void()> wait;
};

// `pool`: of the pair's cells; may be null.
second_thread second_thread_of(scheduler & tasks, cache_pool * pool);

}  // namespace overfill
