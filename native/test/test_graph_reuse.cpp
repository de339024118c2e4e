// Graphs that llama.cpp reuses, counted: building one takes time at every step. While the same sessions write, theirs
// is built once.
#include "cached_sequence.h"
#include "check.h"
#include "memory_model.h"
#include "session.h"
#include "writers_case.h"

#include <memory>

using namespace overfill;
using namespace overfill::test;

namespace {

constexpr uint32_t n_steps = 40;

// Sessions on a pair without an engine. Each has read a prompt and written one token.
class writing_sessions {
  public:
    writing_sessions(const pair_options & options, size_t n)
        : pair_(options, nullptr, nullptr, [](float) { return true; }) {
        for (size_t i = 0; i < n; i++) {
            sessions_.push_back(std::make_unique<session>(pair_, (llama_seq_id) i));
            read(*sessions_[i], some_tokens(20 + (uint32_t) i, (uint32_t) i));
            sessions_[i]->hand_over();
            sessions_[i]->begin_decode();
            append(i, nullptr);
        }
    }

    void read(session & target, const std::vector<llama_token> & prompt) {
        session::prefill_run run(target, prompt, {});
        while (!run.done()) run.step();
    }

    // One token of each of these in one batch, or without one where there is but one. How many graphs were built.
    int step(const std::vector<size_t> & which) {
        llama_context * ctx = pair_.decode_context();
        const int32_t n_before = llama_perf_context(ctx).n_reused;
        if (which.size() == 1) {
            append(which[0], nullptr);
        } else {
            std::vector<batch_row> rows;
            for (const size_t i : which) rows.push_back(sessions_[i]->next_row().value());
            CHECK(cached_sequence::read_rows(pair_, rows));
            for (size_t row = 0; row < which.size(); row++)
                append(which[row], llama_get_logits_ith(ctx, (int32_t) row));
        }
        return 1 - (llama_perf_context(ctx).n_reused - n_before);
    }

    int steps(const std::vector<size_t> & which, uint32_t n) {
        int n_built = 0;
        for (uint32_t i = 0; i < n; i++) n_built += step(which);
        return n_built;
    }

    session & operator[](size_t i) { return *sessions_[i]; }

  private:
    void append(size_t i, const float * given) {
        uint32_t n_read = 0;
        CHECK(sessions_[i]->next_logits(n_read, given) != nullptr);
        sessions_[i]->append(some_tokens(1, n_written_++)[0]);
    }

    pair pair_;
    std::vector<std::unique_ptr<session>> sessions_;
    uint32_t n_written_ = 0;
};

std::vector<size_t> first(size_t n) {
    std::vector<size_t> out;
    for (size_t i = 0; i < n; i++) out.push_back(i);
    return out;
}

// `n_more`: graphs that may be built besides.
void check_all(pair_options options, int n_more = 0) {
    const auto built_once = [&](int n_built) { CHECK(n_built >= 1 && n_built <= 1 + n_more); };
    options.context_size = 512;
    options.max_sessions = 9;
    for (const size_t n : { 1, 2, 4, 8 }) {
        writing_sessions all(options, 9);
        built_once(all.steps(first(n), n_steps));
        // The prompt of one more is read in between.
        int n_built = 0;
        for (uint32_t i = 0; i < 8; i++) {
            all.read(all[8], some_tokens(3, i));
            n_built += all.step(first(n));
        }
        CHECK(n_built <= n_more);
        if (n < 4) continue;
        // Another set has another graph.
        built_once(all.steps(first(n - 1), n_steps));
        built_once(all.steps(first(n), n_steps));
    }
}

}  // namespace

TEST("the graph of the sessions that write at once is built once, where they share") {
    const writers_case f;
    check_all(f.options());
}

TEST("the graph of the sessions that write at once is built once, in the decode model's own cache") {
    const writers_case f;
    pair_options options = f.options();
    options.handover = handover_choice::translate;
    check_all(options);
}

TEST("the graph of the sessions that write at once is built once, where all have one pool") {
    const writers_case f;
    pair_options options = f.options();
    options.cache_tokens = 4096;
    // Graphs look at cells in blocks of 256, and all sessions together fill a few.
    check_all(options, 2);
}

TEST("the graph of the sessions that write at once is built once, where the memory is a recurrent state") {
    memory_model full, small;
    small.seed = 2;
    const memory_model_path full_path(full), small_path(small);
    // A state that was marked at the switch is moved when it is written first.
    check_all(options_for(full_path.str(), small_path.str()), 1);
}
