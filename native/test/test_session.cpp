// Sessions through the engine: stages, turns, aborts, retraction, disposal. Meant to run under the sanitizers too.
#include "check.h"
#include "engine_driver.h"
#include "tiny_model.h"

#include <atomic>
#include <chrono>
#include <cmath>
#include <thread>

using namespace overfill;
using namespace overfill::test;

namespace {

struct fixture {
    model_path full{ tiny_model() };
    model_path small{ [] {
        tiny_model m;
        m.seed = 2;
        m.n_embd = 32;
        return m;
    }() };

    pair_options options() const {
        pair_options o = options_for(full.str(), small.str());
        o.batch_size = 32;
        return o;
    }
};

std::vector<llama_token> join(const std::vector<llama_token> & a, const std::vector<llama_token> & b) {
    std::vector<llama_token> out = a;
    out.insert(out.end(), b.begin(), b.end());
    return out;
}

// Greedy with the log-probabilities of the likeliest tokens, for exact comparison of logits.
decode_options watched(uint32_t n) {
    decode_options options = greedy(n);
    options.sampling.n_log_probs = 5;
    return options;
}

answer fresh_answer(const pair_options & options, const std::vector<llama_token> & prompt, uint32_t n) {
    const auto pair = load(options);
    const auto session = create_session(*pair);
    prefill(*session, prompt);
    hand_over(*session);
    return decode(*session, watched(n));
}

}  // namespace

TEST("a shared handover and a copied one give the same answer and logits, bit for bit") {
    const fixture f;
    pair_options options = f.options();
    const answer shared = fresh_answer(options, some_tokens(100), 64);
    options.handover = handover_choice::translate;
    CHECK_EQUAL(shared.tokens.size(), 64u);
    CHECK(same(shared, fresh_answer(options, some_tokens(100), 64)));
}

TEST("a refresh makes the cache the full model's again, shared or copied") {
    const fixture f;
    for (const handover_choice choice : { handover_choice::share, handover_choice::translate }) {
        pair_options options = f.options();
        options.handover = choice;
        // Micro-batches of the whole text on both sides, so that not even the order of additions differs.
        options.batch_size = 512;
        const auto pair = load(options);
        const auto session = create_session(*pair);
        const auto prompt = some_tokens(40), more = some_tokens(20, 1);
        prefill(*session, prompt);
        hand_over(*session);
        const answer first = decode(*session, greedy(16));
        const prefill_result second = prefill(*session, more);
        CHECK_EQUAL(second.n_refreshed_tokens, 16u);
        CHECK_EQUAL(second.n_context_tokens, 76u);
        hand_over(*session);
        const answer after = decode(*session, watched(20));

        // A fresh session that reads the same in the same batches.
        const auto again = load(options);
        const auto other = create_session(*again);
        prefill(*other, prompt);
        prefill(*other, join(first.tokens, more));
        hand_over(*other);
        CHECK(same(after, decode(*other, watched(20))));
    }
}

TEST("without a refresh the decode model's cells stay, shared or copied alike") {
    const fixture f;
    std::vector<answer> kept;
    prefill_options keep;
    keep.refresh = false;
    for (const handover_choice choice : { handover_choice::share, handover_choice::translate }) {
        pair_options options = f.options();
        options.handover = choice;
        const auto pair = load(options);
        const auto session = create_session(*pair);
        prefill(*session, some_tokens(40));
        hand_over(*session);
        decode(*session, greedy(16));
        const prefill_result second = prefill(*session, some_tokens(20, 1), keep);
        CHECK_EQUAL(second.n_refreshed_tokens, 0u);
        hand_over(*session);
        kept.push_back(decode(*session, watched(20)));
        // A later refresh goes back to the first answer.
        const prefill_result third = prefill(*session, some_tokens(5, 2));
        CHECK_EQUAL(third.n_refreshed_tokens, 16u + 20u + 20u);
    }
    CHECK(same(kept[0], kept[1]));
}

TEST("an answer cut by its length goes on as if it had not been cut") {
    const fixture f;
    const answer whole = fresh_answer(f.options(), some_tokens(50), 40);
    const auto pair = load(f.options());
    const auto s = create_session(*pair);
    prefill(*s, some_tokens(50));
    hand_over(*s);
    std::vector<llama_token> parts;
    for (const uint32_t n : { 1u, 7u, 32u }) parts = join(parts, decode(*s, greedy(n)).tokens);
    CHECK(parts == whole.tokens);
}

TEST("what is taken back is written again, from any point of the answer") {
    const fixture f;
    for (const handover_choice choice : { handover_choice::share, handover_choice::translate }) {
        pair_options options = f.options();
        options.handover = choice;
        const answer whole = fresh_answer(options, some_tokens(50), 30);
        const auto pair = load(options);
        const auto s = create_session(*pair);
        prefill(*s, some_tokens(50));
        hand_over(*s);
        for (const uint32_t n_back : { 1u, 5u, 20u }) {
            decode(*s, greedy(20));
            retract(*s, n_back);
            const answer rest = decode(*s, watched(10 + n_back));
            answer tail;
            tail.tokens.assign(whole.tokens.begin() + 20 - n_back, whole.tokens.end());
            tail.log_probs.assign(whole.log_probs.begin() + 20 - n_back, whole.log_probs.end());
            CHECK(same(rest, tail));
            retract(*s, 30);
            CHECK(s->stats().stage == session_stage::switched);
        }
        CHECK_FAILURE(error_code::stage_order, retract(*s, 1));
    }
}

TEST("what is taken back across refreshes is written again as it was, from any point of the answer") {
    const fixture f;
    for (const handover_choice choice : { handover_choice::share, handover_choice::translate }) {
        pair_options options = f.options();
        options.handover = choice;
        options.cache_type_k = options.cache_type_v = GGML_TYPE_F32;
        options.attention = flash_attention::off;
        decode_options refreshing = watched(30);
        refreshing.refresh_interval = 7;
        const auto pair = load(options);
        const auto s = create_session(*pair);
        prefill(*s, some_tokens(50));
        hand_over(*s);
        const answer whole = decode(*s, refreshing);
        CHECK_EQUAL(whole.result.n_refreshes, 4u);
        for (uint32_t n_left = 0; n_left < 30; n_left++) {
            retract(*s, 30 - n_left);
            refreshing.max_tokens = 30 - n_left;
            const answer rest = decode(*s, refreshing);
            CHECK_EQUAL(rest.tokens.size(), (size_t) (30 - n_left));
            for (size_t i = 0; i < rest.tokens.size(); i++) {
                CHECK_EQUAL(rest.tokens[i], whole.tokens[n_left + i]);
                // What the decode model reads again, it reads in larger batches than before.
                const float before = whole.log_probs[n_left + i][0].log_prob, now = rest.log_probs[i][0].log_prob;
                CHECK(std::abs(before - now) < 1e-3f);
            }
        }
    }
}

TEST("a character that an answer was cut in survives a continuation that is taken back") {
    const fixture f;
    const auto pair = load(f.options());
    const auto s = create_session(*pair);
    const std::string smile = "\xf0\x9f\x99\x82";
    std::vector<llama_token> bytes;
    for (const char byte : smile)
        for (llama_token token = 0; token < 300; token++)
            if (pair->detokenize({ token }, false) == std::string(1, byte)) bytes.push_back(token);
    CHECK_EQUAL(bytes.size(), 4u);
    const auto write = [&](llama_token token) {
        decode_options options = greedy(1);
        options.sampling.logit_bias = { { token, 1e6f } };
        return decode(*s, options).text;
    };
    prefill(*s, some_tokens(20));
    hand_over(*s);
    CHECK_EQUAL(write(bytes[0]), "");
    CHECK_EQUAL(decode(*s, greedy(5)).tokens.size(), 5u);
    retract(*s, 5);
    CHECK_EQUAL(write(bytes[1]), "");
    CHECK_EQUAL(write(bytes[2]), "");
    CHECK_EQUAL(write(bytes[3]), smile);
}

TEST("the stages have an order") {
    const fixture f;
    const auto pair = load(f.options());
    const auto s = create_session(*pair);
    CHECK_FAILURE(error_code::stage_order, hand_over(*s));
    CHECK_FAILURE(error_code::stage_order, decode(*s, greedy(1)));
    prefill(*s, some_tokens(10));
    CHECK_FAILURE(error_code::stage_order, decode(*s, greedy(1)));
    hand_over(*s);
    CHECK_FAILURE(error_code::stage_order, hand_over(*s));
    CHECK_EQUAL(decode(*s, greedy(3)).tokens.size(), 3u);
    CHECK_FAILURE(error_code::stage_order, hand_over(*s));
}

TEST("a prompt that is empty, foreign or too long is refused and changes nothing") {
    const fixture f;
    const auto pair = load(f.options());
    const auto s = create_session(*pair);
    CHECK_FAILURE(error_code::invalid_argument, prefill(*s, std::vector<llama_token>()));
    CHECK_FAILURE(error_code::invalid_argument, prefill(*s, std::string()));
    CHECK_FAILURE(error_code::invalid_argument, prefill(*s, std::vector<llama_token>{ 3, 100000 }));
    CHECK_FAILURE(error_code::invalid_argument, prefill(*s, std::vector<llama_token>{ -1 }));
    CHECK_FAILURE(error_code::context_overflow, prefill(*s, some_tokens(1025)));
    CHECK(s->stats().stage == session_stage::empty);
    CHECK_EQUAL(prefill(*s, some_tokens(1024)).n_context_tokens, 1024u);
    hand_over(*s);
    CHECK(decode(*s, greedy(5)).result.reason == finish_reason::context);
}

TEST("the answer ends where the context does") {
    const fixture f;
    const auto pair = load(f.options());
    const auto s = create_session(*pair);
    prefill(*s, some_tokens(1000));
    hand_over(*s);
    const answer out = decode(*s, greedy(0));
    CHECK(out.result.reason == finish_reason::context);
    CHECK_EQUAL(out.tokens.size(), 24u);
}

TEST("an aborted prefill leaves the session as it was") {
    const fixture f;
    const auto pair = load(f.options());
    const auto s = create_session(*pair);
    for (int round = 0; round < 8; round++) {
        std::promise<bool> aborted;
        std::atomic<uint32_t> n_read{ 0 };
        s->prefill(some_tokens(900, 3), {}, [&](uint32_t n, uint32_t) { n_read = n; },
                   { [&](const prefill_result &) { aborted.set_value(false); },
                     [&](const failure & error) { aborted.set_value(error.code() == error_code::aborted); } });
        while (round > 0 && n_read < (uint32_t) round * 32) std::this_thread::yield();
        s->abort();
        CHECK(aborted.get_future().get());
        CHECK(s->stats().stage == session_stage::empty);
    }
    prefill(*s, some_tokens(50));
    hand_over(*s);
    CHECK(same(decode(*s, watched(20)), fresh_answer(f.options(), some_tokens(50), 20)));
}

TEST("sessions side by side write what each writes alone") {
    const fixture f;
    pair_options options = f.options();
    options.max_sessions = 3;
    const auto pair = load(options);
    std::vector<std::shared_ptr<session_handle>> sessions;
    for (int i = 0; i < 3; i++) sessions.push_back(create_session(*pair));
    std::vector<answer> answers(3);
    std::vector<std::thread> readers;
    decode_options alone = watched(40);
    alone.deterministic = true;  // in a batch with others the last bits differ
    for (uint32_t i = 0; i < 3; i++) {
        prefill(*sessions[i], some_tokens(40 + 10 * i, i));
        hand_over(*sessions[i]);
    }
    for (uint32_t i = 0; i < 3; i++) readers.emplace_back([&, i] { answers[i] = decode(*sessions[i], alone); });
    for (std::thread & reader : readers) reader.join();
    for (uint32_t i = 0; i < 3; i++) CHECK(same(answers[i], fresh_answer(options, some_tokens(40 + 10 * i, i), 40)));
    dispose(*sessions[1]);
    const auto next = create_session(*pair);
    prefill(*next, some_tokens(40));
    hand_over(*next);
    CHECK(same(decode(*next, watched(40)), answers[0]));
}

TEST("a call for one more session waits for a place, and fails when it leaves or the engine goes") {
    const fixture f;
    pair_options options = f.options();
    options.max_waiting = 2;
    auto pair = load(options);
    auto first = create_session(*pair);
    std::promise<std::shared_ptr<session_handle>> got;
    std::promise<error_code> left, closed;
    const auto unexpected = [](const std::shared_ptr<session_handle> &) { CHECK(false); };
    const auto next =
        pair->create_session(0, { [&](const std::shared_ptr<session_handle> & session) { got.set_value(session); },
                                  [](const failure &) { CHECK(false); } });
    const auto other =
        pair->create_session(5, { unexpected, [&](const failure & error) { left.set_value(error.code()); } });
    CHECK(next != 0 && other != 0);
    CHECK_EQUAL(pair->metrics().n_waiting, 2u);
    CHECK_FAILURE(error_code::queue_full, create_session(*pair));
    pair->leave_queue(other);
    CHECK(left.get_future().get() == error_code::aborted);
    // As when its object is collected: nobody waits for the end.
    prefill(*first, some_tokens(50));
    first.reset();
    auto second = got.get_future().get();
    CHECK_EQUAL(prefill(*second, some_tokens(40)).n_context_tokens, 40u);
    pair->create_session(0, { unexpected, [&](const failure & error) { closed.set_value(error.code()); } });
    pair->join();
    CHECK(closed.get_future().get() == error_code::disposed);
}

TEST("one stage at a time, and none after disposal") {
    const fixture f;
    const auto pair = load(f.options());
    const auto s = create_session(*pair);
    std::promise<void> over;
    s->prefill(some_tokens(900), {}, nullptr,
               { [&](const prefill_result &) { over.set_value(); }, [&](const failure &) { over.set_value(); } });
    CHECK_FAILURE(error_code::session_busy, prefill(*s, some_tokens(3)));
    CHECK_FAILURE(error_code::session_busy, decode(*s, greedy(3)));
    dispose(*s);
    over.get_future().get();
    CHECK_FAILURE(error_code::disposed, prefill(*s, some_tokens(3)));
    const auto other = create_session(*pair);
    dispose(*pair);
    CHECK_FAILURE(error_code::disposed, prefill(*other, some_tokens(3)));
    CHECK_FAILURE(error_code::disposed, create_session(*pair));
    CHECK_FAILURE(error_code::disposed, pair->tokenize("a", false, false));
}

TEST("an engine that goes away in the middle of a stage ends it") {
    const fixture f;
    for (int round = 0; round < 6; round++) {
        std::promise<bool> disposed;
        {
            const auto pair = load(f.options());
            const auto s = create_session(*pair);
            s->prefill(some_tokens(900), {}, nullptr,
                       { [&](const prefill_result &) { disposed.set_value(false); },
                         [&](const failure & error) {
                             disposed.set_value(error.code() == error_code::disposed ||
                                                error.code() == error_code::aborted);
                         } });
            std::this_thread::sleep_for(std::chrono::milliseconds(round));
        }
        CHECK(disposed.get_future().get());
    }
}

TEST("a reader that does not read stops the writer, and loses nothing") {
    const fixture f;
    const auto pair = load(f.options());
    const auto s = create_session(*pair);
    prefill(*s, some_tokens(20));
    hand_over(*s);
    std::atomic<int> n_rung{ 0 };
    const auto stream = s->decode(greedy(900), [&] { n_rung++; });
    while (stream->n_waiting() < token_stream::capacity) std::this_thread::yield();
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    token_stream::reading first = stream->read();
    CHECK_EQUAL(first.chunk.tokens.size(), token_stream::capacity);
    answer rest = drain(*stream, [] { std::this_thread::sleep_for(std::chrono::milliseconds(1)); });
    CHECK_EQUAL(first.chunk.tokens.size() + rest.tokens.size(), 900u);
    CHECK(join(first.chunk.tokens, rest.tokens) == fresh_answer(f.options(), some_tokens(20), 900).tokens);
}
