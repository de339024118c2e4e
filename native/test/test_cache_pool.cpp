// Sessions that share a pool of cells which is too small for them, and readers that are slow: whoever waits for its
// reader gives its cells away, and goes on later as if it had kept them.
#include "check.h"
#include "writers_case.h"

#include <algorithm>
#include <memory>
#include <thread>

using namespace overfill;
using namespace overfill::test;

namespace {

pair_options pool_options(const writers_case & f) {
    pair_options options = f.options();
    options.context_size = options.cache_tokens = 512;
    options.max_sessions = 4;
    // The order of cells is that of the terms of sums.
    options.cache_type_k = options.cache_type_v = GGML_TYPE_F32;
    options.attention = flash_attention::off;
    return options;
}

decode_options longer_than_a_stream() {
    decode_options options = greedy((uint32_t) token_stream::capacity + 40);
    options.sampling.ignore_eos = true;
    return options;
}

answer answer_to(session_handle & session, const tokens & prompt, const decode_options & options) {
    prefill(session, prompt);
    hand_over(session);
    return decode(session, options);
}

}  // namespace

TEST("an answer that waits for its reader gives its cells to another session, and goes on when it is read") {
    const writers_case f;
    const auto pair = load(pool_options(f));
    const tokens expected = answer_to(*create_session(*pair), some_tokens(30), longer_than_a_stream()).tokens;
    for (const bool aborts : { false, true }) {
        const auto slow = create_session(*pair), other = create_session(*pair);
        prefill(*slow, some_tokens(30));
        hand_over(*slow);
        const auto stream = slow->decode(longer_than_a_stream(), [] {});
        while (!stream->is_full()) std::this_thread::yield();
        const uint64_t n_before = pair->metrics().n_put_aside;
        answer_to(*other, some_tokens(400, 1), greedy(20));
        CHECK_EQUAL(pair->metrics().n_put_aside, n_before + 1);
        CHECK_EQUAL(pair->metrics().n_aside, 1u);
        if (aborts) slow->abort();
        const answer got = drain(*stream, [] { std::this_thread::yield(); });
        // Aborted, it has what the stream held, and a token whose text was not complete.
        const size_t n = got.tokens.size();
        CHECK(aborts ? n >= token_stream::capacity && n < expected.size() : n == expected.size());
        CHECK(got.tokens == tokens(expected.begin(), expected.begin() + (std::ptrdiff_t) std::min(n, expected.size())));
        CHECK(got.result.reason == (aborts ? finish_reason::abort : finish_reason::length));
        dispose(*slow);
        dispose(*other);
        CHECK_EQUAL(pair->metrics().n_aside, 0u);
    }
}

TEST("an engine that goes away while sessions wait for cells ends them all") {
    const writers_case f;
    std::vector<std::shared_ptr<session_handle>> sessions;
    std::vector<std::shared_ptr<token_stream>> streams;
    {
        const auto pair = load(pool_options(f));
        for (uint32_t i = 0; i < 4; i++) {
            sessions.push_back(create_session(*pair));
            prefill(*sessions.back(), some_tokens(100, i));
            hand_over(*sessions.back());
        }
        for (const auto & session : sessions) streams.push_back(session->decode(longer_than_a_stream(), [] {}));
        while (pair->metrics().n_put_aside < 2) std::this_thread::yield();
        dispose(*pair);
    }
    sessions.clear();
    for (const auto & stream : streams) {
        try {
            CHECK(drain(*stream, [] { std::this_thread::yield(); }).result.reason == finish_reason::abort);
        } catch (const failure & error) {
            CHECK(error.code() == error_code::disposed);
        }
    }
}
