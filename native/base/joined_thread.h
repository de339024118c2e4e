// A thread that never outlives what it uses. Its owner joins it; and when the process ends without the owner having
// done so (an exit() from anywhere), it is asked to stop and joined before the static objects of this library, of
// llama.cpp and of ggml are destroyed, which the thread would otherwise read after their end.
#pragma once

#include <functional>
#include <memory>

namespace overfill {

class joined_thread {
  public:
    // No thread.
    joined_thread() = default;

    // Begins `run`, which must not throw. `stop` makes it return soon; it may be called on any thread, more than once,
    // and as long as `join` has not returned. Throws ERR_OUT_OF_MEMORY where the system has no thread to give, and
    // ERR_DISPOSED when the process is ending.
    joined_thread(std::function<void()> run, std::function<void()> stop);

    ~joined_thread() { join(); }
    joined_thread(joined_thread && other) noexcept = default;
    joined_thread & operator=(joined_thread && other) = delete;

    // Asks the thread to stop and waits for its end. Any thread but this one; idempotent.
    void join();

    // At the end of the process: stops and joins every thread of this kind, and lets no more begin. Called
    // by exit(); a test may call it earlier.
    static void join_all();

  private:
    struct state;
    struct registry;

    std::shared_ptr<state> state_;
};

// Whether the calling thread does this library's work now: its own threads always, others within the scope. llama.cpp's
// log has one callback for the whole process; this tells whose lines are whose.
bool does_own_work();

class own_work {
  public:
    own_work();
    ~own_work();
    own_work(const own_work &) = delete;
    own_work & operator=(const own_work &) = delete;

  private:
    bool outer_;
};

}  // namespace overfill
