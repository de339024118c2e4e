// A few threads that stay for the length of one translation and take parts of its loops.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace overfill {

class thread_team {
  public:
    // The calling thread is one of them. Where the system gives fewer threads, fewer do the work.
    explicit thread_team(int32_t n_threads);
    ~thread_team();
    thread_team(const thread_team &) = delete;
    thread_team & operator=(const thread_team &) = delete;

    size_t size() const { return threads_.size() + 1; }

    // Calls work(item, member) for every item below n_items, each once, by any member in [0, size()). When `work`
    // throws, the items that nobody has taken yet are left out, and the first exception leaves here when all members
    // have ended.
    void each(size_t n_items, const std::function<void(size_t item, size_t member)> & work);

  private:
    void run(size_t member);
    void take(size_t member);

    std::vector<std::thread> threads_;
    std::mutex mutex_;
    std::condition_variable begin_, end_;
    const std::function<void(size_t, size_t)> * work_ = nullptr;
    std::atomic<size_t> next_{ 0 };
    size_t n_items_ = 0;
    size_t round_ = 0;
    size_t n_running_ = 0;
    bool stop_ = false;
    std::exception_ptr error_;
};

}  // namespace overfill
