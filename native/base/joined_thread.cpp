#include "joined_thread.h"

#include "failure.h"

#include <algorithm>
#include <cstdlib>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#ifdef __linux__
#include <sys/syscall.h>
#include <unistd.h>
#elif defined(__APPLE__)
#include <pthread.h>
#endif

namespace overfill {

static thread_local bool working = false;

bool does_own_work() { return working; }
own_work::own_work() : outer_(std::exchange(working, true)) {}
own_work::~own_work() { working = outer_; }

struct joined_thread::state {
    std::mutex mutex;  // held while the thread is waited for, so that two who join both wait
    std::thread thread;
    std::thread::id id;  // stays when the thread is joined
    std::function<void()> stop;

    void join() {
        const std::lock_guard<std::mutex> lock(mutex);
        if (!thread.joinable()) return;
        stop();
        thread.join();
    }
};

// Never destroyed: threads may look at it until the process is gone.
struct joined_thread::registry {
    std::mutex mutex;
    std::vector<std::shared_ptr<state>> running;
    bool ending = false;

    static registry & get() {
        static registry * const all = [] {
            auto * made = new registry;
#ifndef _WIN32
            // Windows has ended all other threads by the time the handlers of a library run.
            std::atexit(joined_thread::join_all);
#endif
            return made;
        }();
        return *all;
    }
};

// Handlers run in the opposite order of their making, and llama.cpp makes static objects inside its functions, at their
// first use: those are destroyed before an atexit handler that is older. The thread-local objects of the thread that
// calls exit() go before all of them. That thread is the main one but for odd cases, for which the handler is there; on
// another thread such an object would be destroyed whenever the thread ends.
static bool is_main_thread() {
#ifdef __linux__
    return syscall(SYS_gettid) == getpid();
#elif defined(__APPLE__)
    return pthread_main_np() != 0;
#else
    return false;
#endif
}

namespace {

struct main_thread_end {
    ~main_thread_end() { joined_thread::join_all(); }
    void watch() {}
};

}  // namespace

static void watch_main_thread() {
    static thread_local main_thread_end end;
    end.watch();
}

joined_thread::joined_thread(std::function<void()> run, std::function<void()> stop)
    : state_(std::make_shared<state>()) {
    if (is_main_thread()) watch_main_thread();
    registry & all = registry::get();
    const std::lock_guard<std::mutex> lock(all.mutex);
    if (all.ending) throw failure(error_code::disposed, "the process is ending");
    all.running.push_back(state_);
    state_->stop = std::move(stop);
    try {
        state_->thread = std::thread([run = std::move(run)] {
            const own_work scope;
            run();
        });
        state_->id = state_->thread.get_id();
    } catch (...) {
        all.running.pop_back();
        try {
            throw;
        } catch (const std::system_error &) {
            throw failure(error_code::out_of_memory, "the system could not start a thread");
        }
    }
}

void joined_thread::join() {
    if (!state_) return;
    state_->join();
    registry & all = registry::get();
    {
        const std::lock_guard<std::mutex> lock(all.mutex);
        all.running.erase(std::remove(all.running.begin(), all.running.end(), state_), all.running.end());
    }
    state_.reset();
}

void joined_thread::join_all() {
    registry & all = registry::get();
    std::vector<std::shared_ptr<state>> left;
    {
        const std::lock_guard<std::mutex> lock(all.mutex);
        all.ending = true;
        left = all.running;
    }
    for (const auto & each : left) {
        // A thread that ends the process itself cannot wait for its own end.
        if (each->id != std::this_thread::get_id()) each->join();
    }
}

}  // namespace overfill
