// In which order tasks have their turns.

#include "check.h"
#include "scheduler.h"

#include <condition_variable>
#include <mutex>
#include <string>

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
