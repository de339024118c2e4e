#include "side_thread.h"

#include "joined_thread.h"

#include <exception>
#include <utility>

namespace overfill {

side_thread::~side_thread() {
    if (!thread_.joinable()) return;
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        ends_ = true;
        changed_.notify_one();
    }
    thread_.join();
}

bool side_thread::begin(const std::function<void()> & work) {
    try {
        if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
    } catch (const std::exception &) {
        return false;
    }
    const std::lock_guard<std::mutex> lock(mutex_);
    work_ = &work;
    changed_.notify_one();
    return true;
}

void side_thread::run() {
    const own_work scope;
    std::unique_lock<std::mutex> lock(mutex_);
    while (true) {
        changed_.wait(lock, [this] { return work_ || ends_; });
        // What was begun is somebody's to wait for.
        const std::function<void()> * work = std::exchange(work_, nullptr);
        if (!work) return;
        lock.unlock();
        (*work)();
        lock.lock();
    }
}

}  // namespace overfill
