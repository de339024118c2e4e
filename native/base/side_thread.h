// A thread beside another one, for which it does one work at a time. Its owner uses it from one thread, which waits for
// the work's end by whatever the work itself signals.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace overfill {

class side_thread {
  public:
    side_thread() = default;
    // Waits for the end of the work.
    ~side_thread();
    side_thread(const side_thread &) = delete;
    side_thread & operator=(const side_thread &) = delete;

    // Begins the work, which has to stay where it is until it ends, and must not throw. The work before it has ended.
    // False: the system has no thread to give.
    bool begin(const std::function<void()> & work);

  private:
    void run();

    std::mutex mutex_;
    std::condition_variable changed_;
    const std::function<void()> * work_ = nullptr;
    bool ends_ = false;
    std::thread thread_;  // from the first work on
};

}  // namespace overfill
