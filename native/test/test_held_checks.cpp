// Checks of drafts wait for each other, so that they are read in one batch; nobody waits for ever.
#include "check.h"
#include "options.h"
#include "scheduler.h"

#include <algorithm>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

using namespace overfill;

namespace {

struct record {
    std::mutex mutex;
    std::condition_variable changed;
    std::string turns;
    bool open = false;
    size_t n_left = 0;
};

// Wants one row after the other: d of a draft, c a check, t a token, . a turn without a row.
class scripted_task final : public task {
  public:
    scripted_task(record & log, char name, std::string rows) : log_(log), name_(name), rows_(std::move(rows)) {}

    turn step() override {
        const std::lock_guard<std::mutex> lock(log_.mutex);
        log_.turns += name_;
        if (++at_ < rows_.size()) return turn::again;
        log_.n_left--;
        log_.changed.notify_all();
        return turn::done;
    }
    wish next() const noexcept override {
        wish out;
        out.is = wish::kind::token;
        using part = batch_row::part;
        const char what = rows_[at_];
        if (what == '.') return out;
        const part is = what == 'd' ? part::draft : what == 'c' ? part::check : part::token;
        out.row = batch_row{ nullptr, nullptr, 1, pair_side::prefill, is };
        return out;
    }
    void fail(const failure &) noexcept override {}
    char name() const { return name_; }

  private:
    record & log_;
    const char name_;
    const std::string rows_;
    size_t at_ = 0;
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

struct outcome {
    std::string turns;
    std::vector<std::string> batches;  // the parts read at once
};

// `unread`: tasks whose rows are never read.
outcome run(const std::vector<std::string> & scripts, const std::string & unread = "") {
    record log;
    outcome out;
    scheduler::hooks hooks;
    hooks.read_rows = [&](std::vector<scheduler::row_request> & rows) {
        std::string parts;
        for (scheduler::row_request & one : rows) {
            one.was_read = unread.find(static_cast<scripted_task *>(one.by)->name()) == std::string::npos;
            parts += "tdc"[(size_t) one.row.is];
        }
        std::sort(parts.begin(), parts.end());
        out.batches.push_back(parts);
    };
    scheduler engine(std::move(hooks));
    engine.submit(std::make_shared<gate>(log));
    log.n_left = scripts.size();
    for (size_t i = 0; i < scripts.size(); i++)
        engine.submit(std::make_shared<scripted_task>(log, (char) ('a' + i), scripts[i]));
    {
        const std::lock_guard<std::mutex> lock(log.mutex);
        log.open = true;
        log.changed.notify_all();
    }
    std::unique_lock<std::mutex> lock(log.mutex);
    log.changed.wait(lock, [&] { return log.n_left == 0; });
    out.turns = log.turns;
    return out;
}

size_t count(const outcome & out, const std::string & batch) {
    return (size_t) std::count(out.batches.begin(), out.batches.end(), batch);
}

}  // namespace

TEST("a check waits for the drafts of others, and is read with their checks") {
    const outcome out = run({ "ddcddcddc", "dddcddcddc" });
    CHECK_EQUAL(count(out, "cc"), 3u);
    CHECK_EQUAL(out.turns.size(), 19u);
    for (const std::string & batch : out.batches) CHECK(batch == "dd" || batch == "cc");
}

TEST("other tokens do not wait, nor does anybody for them") {
    const outcome out = run({ "ddc", "ttttt" });
    CHECK_EQUAL(out.turns, std::string("abababbb"));
    CHECK_EQUAL(run({ "c", "....." }).turns, std::string("abbbbb"));
}

TEST("a check does not wait for ever") {
    const outcome out = run({ "ct", std::string(60, 'd') });
    const size_t first = out.turns.find('a');
    CHECK_EQUAL(first, 16u);
    CHECK_EQUAL(out.turns.size(), 62u);
}

TEST("whose row was not read has its turn behind those whose rows were") {
    CHECK_EQUAL(run({ "t", "t", "t" }, "a").turns, std::string("bca"));
    CHECK_EQUAL(run({ "t", ".", "t" }, "ac").turns.back(), 'b');
}
