#include "second_thread.h"

#include "cache_pool.h"
#include "scheduler.h"

namespace overfill {

second_thread second_thread_of(scheduler & tasks, cache_pool * pool) {
    second_thread out;
    out.wait = [&tasks] { tasks.wait_for_beside(); };
    out.beside = [&tasks, pool](const std::function<void()> & work) {
        if (!pool) return tasks.compute_beside(work);
        pool->run_beside([&] { tasks.compute_beside(work); });
    };
    return out;
}

}  // namespace overfill
