// In which order tasks have their turns.

#include "check.h"
#include "options.h"
#include "scheduler.h"

#include <chrono>
#include <condition_variable>
#include <future>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>

using namespace overfill;

namespace {

// Who had a turn, in order. Holds the engine thread at its first task until all are submitted.
struct record {
    std::mutex mutex;
    std::condition_variable changed;
    std::string turns;
    bool open = false;
    size_t n_left = 0;

    void wait_for_end() {
        std::unique_lock<std::mutex> lock(mutex);
        changed.wait(lock, [this] { return n_left == 0; });
    }
};

class named_task final : public task {
  public:
    named_task(record & log, char name, wish::kind kind, int n_turns, int32_t priority = 0, bool within_answer = false)
        : log_(log), name_(name), n_turns_(n_turns) {
        wish_.is = kind;
        wish_.priority = priority;
        wish_.within_answer = within_answer;
    }

    turn step() override {
        const std::lock_guard<std::mutex> lock(log_.mutex);
        log_.turns += name_;
        if (--n_turns_ > 0) return turn::again;
        log_.n_left--;
        log_.changed.notify_all();
        return turn::done;
    }
    wish next() const noexcept override { return wish_; }
    void fail(const failure &) noexcept override {}
    void goes_on_beside() { wish_.beside = true; }

  private:
    record & log_;
    char name_;
    int n_turns_;
    wish wish_;
};

class gate final : public task {
  public:
    explicit gate(record & log) : log_(log) {}
    turn step() override {
        std::unique_lock<std::mutex> lock(log_.mutex);
        log_.changed.wait(lock, [this] { return log_.open; });
        return turn::done;
    }
    void fail(const failure &) noexcept override {}

  private:
    record & log_;
};

constexpr auto piece = task::wish::kind::piece;
constexpr auto token = task::wish::kind::token;

std::string turns_of(const std::function<std::vector<std::shared_ptr<task>>(record &)> & make,
                     scheduler::hooks hooks = {}) {
    record log;
    scheduler engine(std::move(hooks));
    engine.submit(std::make_shared<gate>(log));
    const auto all = make(log);
    {
        const std::lock_guard<std::mutex> lock(log.mutex);
        log.n_left = all.size();
    }
    for (const auto & item : all) engine.submit(item);
    {
        const std::lock_guard<std::mutex> lock(log.mutex);
        log.open = true;
        log.changed.notify_all();
    }
    log.wait_for_end();
    return log.turns;
}

std::shared_ptr<task> one(record & log, char name, task::wish::kind kind, int n, int32_t priority = 0,
                          bool within_answer = false) {
    return std::make_shared<named_task>(log, name, kind, n, priority, within_answer);
}

}  // namespace

TEST("each answer has its turn in each round, and one prompt reads a piece") {
    const std::string turns = turns_of([](record & log) -> std::vector<std::shared_ptr<task>> {
        return { one(log, 'P', piece, 3), one(log, 'a', token, 4), one(log, 'Q', piece, 2), one(log, 'b', token, 4) };
    });
    CHECK_EQUAL(turns, std::string("abPabPabPabQQ"));
}

TEST("prompts are read in the order they came, the higher priority first") {
    const std::string turns = turns_of([](record & log) -> std::vector<std::shared_ptr<task>> {
        return { one(log, 'P', piece, 2), one(log, 'Q', piece, 2), one(log, 'R', piece, 2, 1) };
    });
    CHECK_EQUAL(turns, std::string("RRPPQQ"));
}

TEST("what an answer waits for goes before all prompts") {
    const std::string turns = turns_of([](record & log) -> std::vector<std::shared_ptr<task>> {
        return { one(log, 'P', piece, 2, 9), one(log, 'r', piece, 2, 0, true) };
    });
    CHECK_EQUAL(turns, std::string("rrPP"));
}

TEST("a prompt of low priority is read in the end, however many others come first") {
    const std::string turns = turns_of([](record & log) -> std::vector<std::shared_ptr<task>> {
        return { one(log, 'P', piece, 2, -5), one(log, 'Q', piece, 100, 7) };
    });
    CHECK_EQUAL(turns.find('P'), size_t(7));
    CHECK_EQUAL(turns.find('P', 8), size_t(15));
}

TEST("a piece is told what the answers of its round took, and nothing when none is written") {
    std::vector<bool> beside;
    int n_after = 0;
    scheduler::hooks hooks;
    hooks.before_piece = [&](std::optional<double> ms) { beside.push_back(ms.has_value()); };
    hooks.after_piece = [&] { n_after++; };
    turns_of(
        [](record & log) -> std::vector<std::shared_ptr<task>> {
            return { one(log, 'P', piece, 3), one(log, 'a', token, 2) };
        },
        std::move(hooks));
    CHECK((beside == std::vector<bool>{ true, true, false }));
    CHECK_EQUAL(n_after, 3);
}

// --- beside a piece ---

namespace {

// What a piece computes: ends when it is told, which it waits for at most a minute.
struct computing {
    std::mutex mutex;
    std::condition_variable changed;
    bool may_end = false, has_begun = false;
    std::thread::id thread;

    bool run() {
        std::unique_lock<std::mutex> lock(mutex);
        thread = std::this_thread::get_id();
        has_begun = true;
        changed.notify_all();
        return changed.wait_for(lock, std::chrono::minutes(1), [this] { return may_end; });
    }
    void wait_for_begin() {
        std::unique_lock<std::mutex> lock(mutex);
        changed.wait(lock, [this] { return has_begun; });
    }
    void end() {
        const std::lock_guard<std::mutex> lock(mutex);
        may_end = true;
        changed.notify_all();
    }
};

// Does in each turn what it is given, which tells whether to go on.
class acting_task final : public task {
  public:
    using action = std::function<turn(acting_task &)>;
    acting_task(wish wish, action act) : wish_(wish), act_(std::move(act)) {}
    turn step() override { return act_(*this); }
    wish next() const noexcept override { return wish_; }
    void fail(const failure & error) noexcept override { failed_.set_value(error.code()); }
    error_code failure_code() { return failed_.get_future().get(); }

  private:
    const wish wish_;
    action act_;
    std::promise<error_code> failed_;
};

task::wish wish_of(task::wish::kind kind, bool beside = false) {
    task::wish out;
    out.is = kind;
    out.beside = beside;
    return out;
}

}  // namespace

TEST("answers that go on beside a piece have their turns while it is computed, and no others") {
    computing work;
    std::promise<void> over;
    std::string turns;
    const auto engine_thread = std::make_shared<std::thread::id>();
    scheduler engine;
    std::shared_ptr<acting_task> others[2];
    // Submitted by the piece's own step, so that they find it computing.
    const auto submit_others = [&] {
        others[0] = std::make_shared<acting_task>(wish_of(token), [&](task &) {
            turns += 'n';
            return task::turn::done;
        });
        others[1] = std::make_shared<acting_task>(wish_of(task::wish::kind::turn), [&](task &) {
            turns += 't';
            over.set_value();
            return task::turn::done;
        });
        for (const auto & item : others) engine.submit(item);
        int n = 0;
        engine.submit(std::make_shared<acting_task>(wish_of(token, true), [&, n](task &) mutable {
            turns += 'b';
            CHECK(std::this_thread::get_id() == *engine_thread);
            if (++n < 5) return task::turn::again;
            work.end();
            return task::turn::done;
        }));
    };
    engine.submit(std::make_shared<acting_task>(wish_of(piece), [&](task &) {
        *engine_thread = std::this_thread::get_id();
        submit_others();
        engine.compute_beside([&] { CHECK(work.run()); });
        CHECK(work.thread != *engine_thread);
        turns += 'P';
        return task::turn::done;
    }));
    over.get_future().wait();
    engine.join();
    CHECK_EQUAL(turns, std::string("bbbbbPnt"));
    CHECK_EQUAL(engine.n_turns_beside(), 5u);
}

TEST("an answer has a turn for each piece, also where nothing is computed for it") {
    const std::string turns = turns_of([](record & log) -> std::vector<std::shared_ptr<task>> {
        std::vector<std::shared_ptr<task>> all = { one(log, 'P', piece, 3), one(log, 'a', token, 4) };
        static_cast<named_task &>(*all[1]).goes_on_beside();
        return all;
    });
    CHECK_EQUAL(turns, std::string("PaPaPaa"));
}

TEST("what competes with a piece makes it shorter, and what goes on beside it does not") {
    std::vector<bool> competes;
    scheduler::hooks hooks;
    hooks.before_piece = [&](std::optional<double> ms) { competes.push_back(ms.has_value()); };
    turns_of(
        [](record & log) -> std::vector<std::shared_ptr<task>> {
            std::vector<std::shared_ptr<task>> all = { one(log, 'P', piece, 3), one(log, 'a', token, 4),
                                                       one(log, 'n', token, 1) };
            static_cast<named_task &>(*all[1]).goes_on_beside();
            return all;
        },
        std::move(hooks));
    CHECK((competes == std::vector<bool>{ true, false, false }));
}

TEST("what is thrown on the second thread comes out of the piece's step") {
    std::promise<void> over;
    std::string said;
    scheduler engine;
    engine.submit(std::make_shared<acting_task>(wish_of(piece), [&](task &) {
        try {
            engine.compute_beside([] { throw std::runtime_error("broken"); });
        } catch (const std::runtime_error & error) {
            said = error.what();
        }
        // The thread is there for the next one.
        engine.compute_beside([&] { said += " once"; });
        over.set_value();
        return task::turn::done;
    }));
    over.get_future().wait();
    engine.join();
    CHECK_EQUAL(said, std::string("broken once"));
}

TEST("an abort of the piece reaches what it computes, and one of an answer beside it does not") {
    computing work;
    std::promise<void> over;
    scheduler engine;
    bool before = true, after = false;
    auto answer = std::make_shared<acting_task>(wish_of(token, true), [&](task & self) {
        self.abort();
        CHECK(scheduler::should_abort(&engine));
        work.end();
        return task::turn::done;
    });
    engine.submit(std::make_shared<acting_task>(wish_of(piece), [&, answer](task & self) {
        engine.submit(answer);
        engine.compute_beside([&] {
            CHECK(work.run());
            before = scheduler::should_abort(&engine);
            self.abort();
            after = scheduler::should_abort(&engine);
        });
        over.set_value();
        return task::turn::done;
    }));
    over.get_future().wait();
    engine.join();
    CHECK(!before);
    CHECK(after);
}

TEST("an answer can wait for what is computed beside it") {
    computing work;
    std::promise<void> over;
    std::string turns;
    scheduler engine;
    auto answer = std::make_shared<acting_task>(wish_of(token, true), [&](task &) {
        work.end();
        engine.wait_for_beside();
        turns += 'a';
        return task::turn::done;
    });
    engine.submit(std::make_shared<acting_task>(wish_of(piece), [&, answer](task &) {
        engine.submit(answer);
        engine.compute_beside([&] {
            CHECK(work.run());
            turns += 'c';
        });
        turns += 'P';
        engine.wait_for_beside();  // for nothing
        over.set_value();
        return task::turn::done;
    }));
    over.get_future().wait();
    engine.join();
    CHECK_EQUAL(turns, std::string("caP"));
}

TEST("a stop ends what is computed on the second thread and gives no more turns") {
    computing work;
    std::string turns;
    scheduler engine;
    auto answer = std::make_shared<acting_task>(wish_of(token, true), [&](task &) {
        turns += 'a';
        return task::turn::parked;
    });
    auto waits = std::make_shared<acting_task>(wish_of(token), [&](task &) {
        turns += 'n';
        return task::turn::done;
    });
    auto reads = std::make_shared<acting_task>(wish_of(piece), [&, answer, waits](task &) {
        engine.submit(answer);
        engine.submit(waits);
        engine.compute_beside([&] {
            work.run();
            while (!scheduler::should_abort(&engine)) std::this_thread::yield();
        });
        return task::turn::again;
    });
    engine.submit(reads);
    work.wait_for_begin();
    engine.stop();
    work.end();
    engine.join();
    for (const auto & item : { answer, waits, reads }) CHECK(item->failure_code() == error_code::disposed);
    CHECK_EQUAL(turns.find('n'), std::string::npos);
    // Those that came too late.
    auto late = std::make_shared<acting_task>(wish_of(piece), [](task &) { return task::turn::done; });
    engine.submit(late);
    CHECK(late->failure_code() == error_code::disposed);
}
