#include "thread_team.h"

#include "joined_thread.h"

#include <algorithm>
#include <new>
#include <system_error>
#include <utility>

namespace overfill {

thread_team::thread_team(int32_t n_threads) {
    const size_t n_more = (size_t) std::max(n_threads, 1) - 1;
    threads_.reserve(n_more);
    try {
        for (size_t i = 0; i < n_more; i++) threads_.emplace_back([this, i] { run(i + 1); });
    } catch (const std::system_error &) {
        // The system has no more threads to give: those there are do the work.
    } catch (const std::bad_alloc &) {
        // Nor memory for one.
    }
}

thread_team::~thread_team() {
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        stop_ = true;
    }
    begin_.notify_all();
    for (std::thread & thread : threads_) thread.join();
}

void thread_team::take(size_t member) {
    try {
        for (size_t i = next_++; i < n_items_; i = next_++) (*work_)(i, member);
    } catch (...) {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (!error_) error_ = std::current_exception();
        next_ = n_items_;
    }
}

void thread_team::each(size_t n_items, const std::function<void(size_t, size_t)> & work) {
    if (n_items == 0) return;
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        work_ = &work;
        n_items_ = n_items;
        next_ = 0;
        n_running_ = threads_.size();
        round_++;
    }
    begin_.notify_all();
    take(0);
    std::unique_lock<std::mutex> lock(mutex_);
    end_.wait(lock, [this] { return n_running_ == 0; });
    if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
}

void thread_team::run(size_t member) {
    const own_work scope;
    size_t seen = 0;
    while (true) {
        {
            std::unique_lock<std::mutex> lock(mutex_);
            begin_.wait(lock, [&] { return stop_ || round_ != seen; });
            if (stop_) return;
            seen = round_;
        }
        take(member);
        const std::lock_guard<std::mutex> lock(mutex_);
        if (--n_running_ == 0) end_.notify_one();
    }
}

}  // namespace overfill
