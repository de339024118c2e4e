// Threads of the process, the queue of events, and what happens to exceptions on the way.
#include "background_job.h"
#include "check.h"
#include "event_queue.h"
#include "joined_thread.h"
#include "scheduler.h"
#include "thread_team.h"
#include "version_gate.h"

#include <atomic>
#include <cstdlib>
#include <future>
#include <new>
#include <stdexcept>
#include <thread>

#ifndef _WIN32
#include <sys/wait.h>
#include <unistd.h>
#endif

using namespace overfill;
using namespace overfill::test;

// --- thread_team ---

TEST("what a member of a team throws leaves each() when all have ended, and the team works on") {
    thread_team team(4);
    std::atomic<int> n_inside{ 0 }, n_done{ 0 };
    CHECK_FAILURE(error_code::data_invalid, team.each(1000, [&](size_t item, size_t) {
        n_inside++;
        if (item == 7) {
            n_inside--;
            throw failure(error_code::data_invalid, "seven");
        }
        n_inside--;
    }));
    CHECK_EQUAL(n_inside.load(), 0);
    bool no_memory = false;
    try {
        team.each(8, [](size_t, size_t) { throw std::bad_alloc(); });
    } catch (const std::bad_alloc &) {
        no_memory = true;
    }
    CHECK(no_memory);
    team.each(1000, [&](size_t, size_t) { n_done++; });
    CHECK_EQUAL(n_done.load(), 1000);
}

// --- event_queue ---

TEST("a bell that could not be rung is rung again by the next event") {
    int n_rings = 0;
    bool works = false;
    event_queue<int> queue([&] {
        n_rings++;
        return works;
    });
    queue.post(1);
    queue.post(2);
    CHECK_EQUAL(n_rings, 2);
    works = true;
    queue.post(3);
    queue.post(4);
    CHECK_EQUAL(n_rings, 3);
    CHECK_EQUAL(queue.take().size(), 4u);
    queue.post(5);
    CHECK_EQUAL(n_rings, 4);
    queue.shut();
    queue.post(6);
    queue.wake();
    CHECK_EQUAL(n_rings, 4);
    CHECK(queue.take().empty());
}

TEST("a delivery that throws leaves the others alone, and its exception comes at the end") {
    std::vector<int> got;
    const std::vector<int> events{ 1, 2, 3, 4 };
    std::string message;
    try {
        deliver_all(events, [&](int item) {
            if (item % 2 == 0) throw std::runtime_error("event " + std::to_string(item));
            got.push_back(item);
        });
    } catch (const std::runtime_error & error) {
        message = error.what();
    }
    CHECK_EQUAL(got.size(), 2u);
    CHECK_EQUAL(got.back(), 3);
    CHECK_EQUAL(message, std::string("event 2"));
}

TEST("a full queue refuses") {
    event_queue<int> queue([] { return true; });
    CHECK(queue.try_post(1, 2));
    CHECK(queue.try_post(2, 2));
    CHECK(!queue.try_post(3, 2));
    CHECK_EQUAL(queue.take().size(), 2u);
    CHECK(queue.try_post(4, 2));
}

// --- failures at a thread's edge ---

TEST("exceptions at a thread's edge become failures with codes") {
    const auto code_of = [](const std::function<void()> & body) {
        try {
            body();
        } catch (...) {
            return std::string(error_code_name(current_failure().code()));
        }
        return std::string();
    };
    CHECK_EQUAL(code_of([] { throw std::bad_alloc(); }), "ERR_OUT_OF_MEMORY");
    CHECK_EQUAL(code_of([] { throw 7; }), "ERR_INTERNAL");
    CHECK_EQUAL(code_of([] { throw failure(error_code::aborted, "aborted"); }), "ERR_ABORTED");
}

TEST("a completion that throws makes the job fail") {
    std::promise<error_code> ended;
    completion<int> end;
    end.done = [](const int &) { throw std::bad_alloc(); };
    end.failed = [&](const failure & error) { ended.set_value(error.code()); };
    background_job<int> job([](const std::atomic<bool> &) { return 1; }, end);
    CHECK(ended.get_future().get() == error_code::out_of_memory);
}

// --- scheduler ---

namespace {

// Parks at its first step, and is done at the second.
class parking_task final : public task {
  public:
    parking_task(std::promise<void> & parked, std::promise<void> & done) : parked_(parked), done_(done) {}
    turn step() override {
        if (n_steps_++ == 0) {
            parked_.set_value();
            return turn::parked;
        }
        done_.set_value();
        return turn::done;
    }
    void fail(const failure &) noexcept override { failed = true; }

    std::atomic<bool> failed{ false };

  private:
    std::promise<void> &parked_, &done_;
    int n_steps_ = 0;
};

}  // namespace

TEST("a parked task goes on when it is woken, and fails when the scheduler ends") {
    std::promise<void> parked, done, parked_again, never;
    scheduler engine;
    engine.submit(std::make_shared<parking_task>(parked, done));
    parked.get_future().wait();
    engine.wake();
    done.get_future().wait();
    const auto left = std::make_shared<parking_task>(parked_again, never);
    engine.submit(left);
    parked_again.get_future().wait();
    engine.join();
    CHECK(left->failed);
}

// --- joined_thread ---

TEST("own work is told by thread and by scope") {
    bool in_plain_thread = true, in_scope = false, after_scope = true, in_joined_thread = false;
    std::thread plain([&] {
        in_plain_thread = does_own_work();
        {
            const own_work scope;
            in_scope = does_own_work();
        }
        after_scope = does_own_work();
    });
    plain.join();
    joined_thread([&] { in_joined_thread = does_own_work(); }, [] {}).join();
    CHECK(!in_plain_thread);
    CHECK(in_scope);
    CHECK(!after_scope);
    CHECK(in_joined_thread);
}

#ifndef _WIN32

// An object that a thread reads until it is told to stop, and that exit() destroys.
struct static_object {
    std::atomic<bool> alive{ true };
    ~static_object() { alive = false; }
};

static int exit_with_a_running_job() {
    const pid_t child = fork();
    if (child == 0) {
        static static_object read_by_the_job;
        std::promise<void> begun;
        const auto work = [&begun](const std::atomic<bool> & stop) {
            begun.set_value();
            while (!stop) std::this_thread::yield();
            // The handlers and destructors that come first have had their turn.
            for (int i = 0; i < 1000; i++) std::this_thread::yield();
            if (!read_by_the_job.alive) _exit(9);
            return 1;
        };
        auto * job = new background_job<int>(work, { [](const int &) {}, [](const failure &) {} });
        begun.get_future().wait();
        (void) job;
        std::exit(7);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST("exit() joins a job that nobody has joined before the static objects go") {
    CHECK_EQUAL(exit_with_a_running_job(), 7);
}

TEST("no thread begins when the process is ending") {
    const pid_t child = fork();
    if (child == 0) {
        joined_thread::join_all();
        try {
            joined_thread late([] {}, [] {});
        } catch (const failure & error) {
            _exit(error.code() == error_code::disposed ? 7 : 8);
        }
        _exit(9);
    }
    int status = 0;
    waitpid(child, &status, 0);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

#endif

// --- version gate ---

TEST("the version gate takes the very build and no other") {
    const llama_build built{ "0.5.0", "0ad4a86" };
    check_llama_build(built, { "0.5.0-dev", "0ad4a86" });
    check_llama_build(built, { "0.5.0", "0ad4a861c" });
    for (const llama_build & other : { llama_build{ "0.5.0-dev", "1ad4a86" }, llama_build{ "0.5.0", "1ad4a86" },
                                       llama_build{ "0.5.0-dev", "unknown" }, llama_build{ "0.5.0-dev", "" },
                                       llama_build{ "0.5.0-dev", "0ad4a86-dirty" }, llama_build{ "0.5.0-dev", "0ad" },
                                       llama_build{ "0.5.1", "0ad4a86" }, llama_build{ "0.5.0-rc", "0ad4a86" } })
        CHECK_FAILURE(error_code::llama_version_mismatch, check_llama_build(built, other));
    check_llama_version();
}
