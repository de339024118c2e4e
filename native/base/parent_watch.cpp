#include "parent_watch.h"

#include "joined_thread.h"

#include <chrono>
#include <condition_variable>
#include <mutex>

#ifdef _WIN32
#define NOMINMAX
#include <windows.h>
#else
#include <csignal>
#include <unistd.h>
#endif

namespace overfill {

namespace {

#ifdef _WIN32
class parent_process {
  public:
    // Held open, so that no other process can be given its number.
    explicit parent_process(int64_t id) : handle_(OpenProcess(SYNCHRONIZE, FALSE, (DWORD) id)) {}
    ~parent_process() {
        if (handle_) CloseHandle(handle_);
    }
    parent_process(const parent_process &) = delete;
    parent_process & operator=(const parent_process &) = delete;

    bool lives() const { return handle_ && WaitForSingleObject(handle_, 0) == WAIT_TIMEOUT; }

  private:
    HANDLE handle_;
};

void end_now() { TerminateProcess(GetCurrentProcess(), 1); }
#else
class parent_process {
  public:
    explicit parent_process(int64_t id) : id_(id) {}

    // An orphan is given another parent.
    bool lives() const { return getppid() == (pid_t) id_; }

  private:
    int64_t id_;
};

void end_now() { kill(getpid(), SIGKILL); }
#endif

class parent_watch {
  public:
    explicit parent_watch(int64_t parent) : parent_(parent), thread_([this] { run(); }, [this] { stop(); }) {}

  private:
    static constexpr std::chrono::milliseconds interval{ 250 };

    void run() {
        std::unique_lock lock(mutex_);
        while (!stops_) {
            if (!parent_.lives()) end_now();
            stopped_.wait_for(lock, interval, [this] { return stops_; });
        }
    }

    void stop() {
        const std::lock_guard lock(mutex_);
        stops_ = true;
        stopped_.notify_all();
    }

    parent_process parent_;
    std::mutex mutex_;
    std::condition_variable stopped_;
    bool stops_ = false;
    joined_thread thread_;
};

}  // namespace

void end_with_parent(int64_t parent) { static parent_watch watch(parent); }

}  // namespace overfill
