// What a prefill hands to the writer between its pieces, before the switch: the cells that the switch would move, to
// the bit, and nothing of them once the prefill is given up. Here both models are on this machine; test/remote does the
// same with the prefill model on another one.
#include "check.h"
#include "engine_driver.h"
#include "tiny_model.h"
#include "waiter.h"

#include <memory>
#include <vector>

using namespace overfill;
using namespace overfill::test;

namespace {

struct fixture {
    model_path full{ tiny_model() }, small{ narrow(2) }, other{ narrow(3) };

    static tiny_model narrow(uint32_t seed) {
        tiny_model m;
        m.seed = seed;
        m.n_embd = 32;
        return m;
    }

    // In pieces of 32 tokens.
    pair_options options(uint32_t handed_ahead) const {
        pair_options o = options_for(full.str(), small.str());
        o.batch_size = 32;
        o.handover = handover_choice::translate;
        o.handed_ahead = handed_ahead;
        o.max_sessions = 2;
        return o;
    }
};

// A prefill, and how often it handed something over: such a turn reads nothing.
uint32_t n_handed(session_handle & session, const std::vector<llama_token> & prompt,
                  const prefill_options & options = {}) {
    waiter<prefill_result> wait;
    uint32_t n = 0, before = 0;
    session.prefill(
        prompt, options,
        [&](uint32_t n_done, uint32_t) {
            n += n_done == before;
            before = n_done;
        },
        wait.end());
    wait.get();
    return n;
}

struct turn {
    uint32_t n_handed;
    handover_report report;
    answer written;
};

// Three turns of a conversation.
std::vector<turn> conversation(const pair_options & options, bool refresh = true) {
    const auto pair = load(options);
    const auto session = create_session(*pair);
    prefill_options how;
    how.refresh = refresh;
    std::vector<turn> out;
    for (const uint32_t n : { 300u, 40u, 131u }) {
        const uint32_t n_times = n_handed(*session, some_tokens(n, n), how);
        const handover_report report = hand_over(*session);
        out.push_back({ n_times, report, decode(*session, greedy_with_log_probs(12)) });
    }
    return out;
}

void check_same(const std::vector<turn> & a, const std::vector<turn> & b) {
    for (size_t i = 0; i < a.size(); i++) {
        CHECK(same(a[i].written, b[i].written));
        CHECK_EQUAL(a[i].report.n_bytes, b[i].report.n_bytes);
        CHECK_EQUAL(a[i].report.n_tokens, b[i].report.n_tokens);
    }
}

}  // namespace

TEST("what is handed over while a prompt is read is what the switch would move, bit for bit") {
    const fixture f;
    for (const ggml_type type : { GGML_TYPE_F16, GGML_TYPE_Q8_0 })
        for (const bool refresh : { true, false }) {
            const auto options = [&](uint32_t n) {
                pair_options o = f.options(n);
                o.cache_type_k = o.cache_type_v = type;
                return o;
            };
            const auto all_at_the_switch = conversation(options(0), refresh);
            for (const turn & one : all_at_the_switch) CHECK_EQUAL(one.n_handed, 0u);
            for (const uint32_t n : { 1u, 50u, 128u }) check_same(conversation(options(n), refresh), all_at_the_switch);
        }
}

TEST("as many tokens are handed over at a time as it takes, and the last piece is the switch's") {
    const fixture f;
    // 300 tokens are nine pieces of 32 and one of 12.
    CHECK_EQUAL(conversation(f.options(1))[0].n_handed, 9u);
    CHECK_EQUAL(conversation(f.options(64))[0].n_handed, 4u);
    CHECK_EQUAL(conversation(f.options(65))[0].n_handed, 3u);
    CHECK_EQUAL(conversation(f.options(1000))[0].n_handed, 0u);
}

TEST("a writer that shares the cache is handed nothing, nor is one of several, whose turn nobody knows") {
    const fixture f;
    pair_options sharing = f.options(1);
    sharing.handover = handover_choice::share;
    CHECK_EQUAL(conversation(sharing)[0].n_handed, 0u);
    pair_options several = f.options(1);
    writer_options other;
    other.name = "other";
    other.model.path = f.other.str();
    several.more_writers = { other };
    CHECK_EQUAL(conversation(several)[0].n_handed, 0u);
}

// Reads a text, which does not fit into a piece, until so many tokens are done.
void abort_prefill(session_handle & session, uint32_t n_tokens) {
    waiter<prefill_result> wait;
    session.prefill(
        some_tokens(500, 77), {},
        [&](uint32_t n_done, uint32_t) {
            if (n_done >= n_tokens) session.abort();
        },
        wait.end());
    CHECK_FAILURE(error_code::aborted, wait.get());
}

TEST("a prefill that is aborted takes back what it has handed over") {
    const fixture f;
    const auto turns = [&](uint32_t handed_ahead) {
        const auto pair = load(f.options(handed_ahead));
        const auto session = create_session(*pair);
        std::vector<turn> out;
        for (const uint32_t n : { 300u, 40u, 131u }) {
            for (const uint32_t n_tokens : { 1u, 100u }) abort_prefill(*session, n_tokens);
            prefill(*session, some_tokens(n, n));
            const handover_report report = hand_over(*session);
            out.push_back({ 0, report, decode(*session, greedy_with_log_probs(12)) });
        }
        return out;
    };
    const auto ahead = turns(1), at_the_switch = turns(0);
    for (size_t i = 0; i < ahead.size(); i++) CHECK(same(ahead[i].written, at_the_switch[i].written));
    // Later ones were handed what is read again after an answer, and keep it.
    CHECK_EQUAL(ahead[0].report.n_bytes, at_the_switch[0].report.n_bytes);
}

TEST("an answer that stands goes on behind a prefill that was aborted") {
    const fixture f;
    const auto written = [&](uint32_t handed_ahead) {
        const auto pair = load(f.options(handed_ahead));
        const auto session = create_session(*pair);
        prefill(*session, some_tokens(100));
        hand_over(*session);
        abort_prefill(*session, 100);
        return decode(*session, greedy_with_log_probs(12));
    };
    CHECK(same(written(1), written(0)));
}

TEST("a fork between the prompt and the switch, and a text that was cut, write what they would") {
    const fixture f;
    std::vector<answer> first, second;
    for (const uint32_t handed_ahead : { 0u, 1u }) {
        const auto pair = load(f.options(handed_ahead));
        const auto session = create_session(*pair);
        prefill(*session, some_tokens(200));
        waiter<bool> forked;
        const auto fork = create_session(*pair);
        session->fork(*fork, forked.end());
        forked.get();
        hand_over(*fork);
        first.push_back(decode(*fork, greedy_with_log_probs(12)));
        truncate(*session, 90);
        prefill(*session, some_tokens(70, 5));
        hand_over(*session);
        second.push_back(decode(*session, greedy_with_log_probs(12)));
    }
    CHECK(same(first[0], first[1]));
    CHECK(same(second[0], second[1]));
}
