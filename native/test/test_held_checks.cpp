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
        if (!aborted() && ++at_ < rows_.size()) return turn::again;
        log_.n_left--;
        log_.changed.notify_all();
        return turn::done;
    }
    wish next() const noexcept override {
        wish out;
        out.is = wish::kind::token;
        using part = batch_row::part;
        const char what = rows_[at_];
        if (what == '.' || aborted()) return out;
        const part is = what == 'd' ? part::draft : what == 'c' ? part::check : part::token;
        out.row = batch_row{ nullptr, nullptr, 1, what == 'd' ? pair_side::decode : pair_side::prefill, is };
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

// What a draft's token and a check take; 0: not known.
struct costs {
    double draft = 0, check = 0;
};

// Aborts a task while the batch of that number is read.
struct interruption {
    char of = 0;
    size_t in_batch = 0;
};

// `unread`: tasks whose rows are never read.
outcome run(const std::vector<std::string> & scripts, const std::string & unread = "", const costs & ms = {},
            const interruption & aborts = {}) {
    record log;
    outcome out;
    std::vector<std::shared_ptr<scripted_task>> tasks;
    scheduler::hooks hooks;
    hooks.read_rows = [&](std::vector<scheduler::row_request> & rows) {
        std::string parts;
        for (scheduler::row_request & one : rows) {
            one.was_read = unread.find(static_cast<scripted_task *>(one.by)->name()) == std::string::npos;
            parts += "tdc"[(size_t) one.row.is];
        }
        for (const auto & one : tasks)
            if (one->name() == aborts.of && out.batches.size() == aborts.in_batch) one->abort();
        std::sort(parts.begin(), parts.end());
        out.batches.push_back(parts);
    };
    hooks.read_ms = [&](pair_side by, size_t n) { return by == pair_side::decode ? ms.draft * (double) n : ms.check; };
    scheduler engine(std::move(hooks));
    engine.submit(std::make_shared<gate>(log));
    log.n_left = scripts.size();
    for (size_t i = 0; i < scripts.size(); i++)
        tasks.push_back(std::make_shared<scripted_task>(log, (char) ('a' + i), scripts[i]));
    for (const auto & one : tasks) engine.submit(one);
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

TEST("a check waits no longer than it would take by itself") {
    const auto waits = [](const costs & ms) { return run({ "ct", std::string(60, 'd') }, "", ms).turns.find('a'); };
    CHECK_EQUAL(waits({ 1, 4 }), 4u);
    CHECK_EQUAL(waits({ 2, 4 }), 2u);
    CHECK_EQUAL(waits({ 5, 4 }), 0u);
    CHECK_EQUAL(waits({ 0.1, 4 }), 16u);
    // As long as nobody knows what a check takes, it waits.
    CHECK_EQUAL(waits({ 1, 0 }), 16u);
    // What has waited begins anew with the next check, and a short wait is not given up.
    const outcome out = run({ "cccc", "dddddddddddddddddddd" }, "", { 1, 4 });
    CHECK_EQUAL(out.turns.substr(0, 10), std::string("bbbbabbbbb"));
    CHECK_EQUAL(count(run({ "ddcddcddc", "dddcddcddc" }, "", { 1, 4 }), "cc"), 3u);
    // Two that draft at once are read at once: a round of theirs takes longer.
    const outcome two = run({ "ct", std::string(60, 'd'), std::string(60, 'd') }, "", { 1, 4 });
    CHECK_EQUAL(two.turns.find('a'), 4u);
}

TEST("a check goes on at once where those that it waits for are gone, and so does one that is aborted as it waits") {
    const std::string drafts(60, 'd'), tokens(60, 't');
    // c's tokens are nothing to wait for; they make each round a batch.
    const outcome gone = run({ "ctt", drafts, tokens }, "", {}, { 'b', 3 });
    CHECK_EQUAL(gone.turns.find('a'), 8u);
    CHECK_EQUAL(std::count(gone.turns.begin(), gone.turns.end(), 'a'), 3);
    CHECK_EQUAL(std::count(gone.turns.begin(), gone.turns.end(), 'b'), 4);
    const outcome aborted = run({ "ctt", drafts, tokens }, "", {}, { 'a', 3 });
    CHECK_EQUAL(aborted.turns.find('a'), 10u);
    CHECK_EQUAL(std::count(aborted.turns.begin(), aborted.turns.end(), 'a'), 1);
    CHECK_EQUAL(std::count(aborted.turns.begin(), aborted.turns.end(), 'b'), 60);
}

TEST("whose row was not read has its turn behind those whose rows were") {
    CHECK_EQUAL(run({ "t", "t", "t" }, "a").turns, std::string("bca"));
    CHECK_EQUAL(run({ "t", ".", "t" }, "ac").turns.back(), 'b');
}
