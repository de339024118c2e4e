// Answers with a budget for refreshes: the prefill model reads the newest tokens again where the writer is unsure.
#include "check.h"
#include "temp_folder.h"
#include "writers_case.h"

#include <cmath>
#include <thread>

using namespace overfill;
using namespace overfill::test;

namespace {

const tokens prompt = some_tokens(40);

pair_options precise(pair_options options) {
    options.cache_type_k = options.cache_type_v = GGML_TYPE_F32;
    options.attention = flash_attention::off;
    return options;
}

// As if costs were the same everywhere.
decode_options budgeted(uint32_t n, double share = 0.5) {
    decode_options options = greedy(n);
    options.sampling.n_log_probs = 3;
    options.sampling.ignore_eos = true;
    options.refresh_budget = { share, true };
    return options;
}

answer write(engine & pair, const decode_options & options, std::shared_ptr<session_handle> * left = nullptr,
             std::optional<pair_side> by = std::nullopt) {
    const auto session = create_session(pair);
    prefill(*session, prompt);
    hand_over(*session, by);
    answer out = decode(*session, options);
    if (left)
        *left = session;
    else
        dispose(*session);
    return out;
}

bool close(const answer & a, const answer & b) {
    if (a.tokens != b.tokens || a.log_probs.size() != b.log_probs.size()) return false;
    for (size_t i = 0; i < a.log_probs.size(); i++)
        if (!(std::abs(a.log_probs[i][0].log_prob - b.log_probs[i][0].log_prob) < 1e-3f)) return false;
    return true;
}

// The prefill model's log-probability of each token of an answer, everything before it read by itself.
std::vector<float> judged(engine & pair, const tokens & written) {
    const auto session = create_session(pair);
    prefill(*session, prompt);
    hand_over(*session, prefill_side);
    std::vector<float> out;
    for (const llama_token token : written) {
        decode_options options = greedy(1);
        options.sampling.n_log_probs = 1;
        options.sampling.logit_bias = { { token, INFINITY } };
        out.push_back(decode(*session, options).log_probs[0][0].log_prob);
    }
    dispose(*session);
    return out;
}

}  // namespace

TEST("a budget has what was written read again, and reports it") {
    const writers_case f;
    for (const handover_choice choice : { handover_choice::share, handover_choice::translate }) {
        pair_options options = precise(f.options());
        options.handover = choice;
        options.max_sessions = 3;
        const auto pair = load(options);
        std::shared_ptr<session_handle> session;
        const answer plain = write(*pair, budgeted(100, 0)), seen = write(*pair, budgeted(100), &session);
        CHECK_EQUAL(plain.result.n_refreshes, 0u);
        // A refresh for three tokens of writing, half of which are had.
        CHECK(seen.result.n_refreshes >= 11 && seen.result.n_refreshes <= 17);
        CHECK(seen.result.n_refreshed_tokens >= seen.result.n_refreshes);
        CHECK(seen.result.refresh_ms > 0 && seen.result.refresh_ms < seen.result.milliseconds);
        CHECK(plain.tokens != seen.tokens);
        CHECK_EQUAL(session->stats().n_refreshed_tokens, seen.result.n_refreshed_tokens);
        // The next turn finds a text like any other.
        const prefill_result read = prefill(*session, some_tokens(5, 3));
        CHECK(read.n_refreshed_tokens <= 100u);
        CHECK_EQUAL(read.n_context_tokens, 145u);
        hand_over(*session, prefill_side);
        decode_options more = budgeted(5, 0);
        more.writer = prefill_side;
        const answer next = decode(*session, more);
        tokens text = prompt;
        text.insert(text.end(), seen.tokens.begin(), seen.tokens.end());
        for (const llama_token token : some_tokens(5, 3)) text.push_back(token);
        const auto alone = create_session(*pair);
        prefill(*alone, text);
        hand_over(*alone, prefill_side);
        CHECK(close(next, decode(*alone, more)));
        dispose(*alone);
        dispose(*session);
    }
}

TEST("where every newest token is read again, the token that follows is the prefill model's own") {
    const writers_case f;
    const auto pair = load(precise(f.options()));
    const answer seen = write(*pair, budgeted(60, 1));
    const std::vector<float> wanted = judged(*pair, seen.tokens);
    // Of a token that came of a refresh of all, the log-probability is the prefill model's.
    uint32_t n_own = 0;
    for (size_t i = 1; i < wanted.size(); i++) n_own += std::abs(wanted[i] - seen.log_probs[i][0].log_prob) < 1e-4f;
    CHECK(n_own + 1 >= seen.result.n_refreshes);
    CHECK(seen.result.n_refreshes > 12);
}

TEST("an answer goes on with itself where it is taken back, wherever a refresh was") {
    const writers_case f;
    for (const handover_choice choice : { handover_choice::share, handover_choice::translate }) {
        pair_options options = precise(f.options());
        options.handover = choice;
        const auto pair = load(options);
        for (uint32_t n_left = 0; n_left < 24; n_left++) {
            std::shared_ptr<session_handle> session;
            // As a reader who leaves early, and one who asked for no more: what comes next is the same.
            const answer whole = write(*pair, budgeted(24), &session);
            CHECK(whole.result.n_refreshes > 1);
            retract(*session, 24 - n_left);
            const answer rest = decode(*session, budgeted(10));
            dispose(*session);
            if (n_left == 0) {
                CHECK(std::equal(rest.tokens.begin(), rest.tokens.end(), whole.tokens.begin()));
                continue;
            }
            std::shared_ptr<session_handle> other;
            write(*pair, budgeted(n_left), &other);
            CHECK(close(rest, decode(*other, budgeted(10))));
            dispose(*other);
        }
    }
}

TEST("an answer that is aborted in a refresh goes on as if there had been none") {
    const writers_case f;
    pair_options options = precise(f.options());
    options.batch_size = 1;  // a refresh is many steps
    const auto pair = load(options);
    uint32_t n_unused = 0;
    for (uint32_t i = 0; i < 60; i++) {
        const auto session = create_session(*pair);
        prefill(*session, prompt);
        hand_over(*session);
        const auto stream = session->decode(budgeted(200, 1), [] {});
        answer begun;
        uint32_t n_seen = 0;
        while (n_seen < 8 + i / 4) {
            const token_stream::reading reading = stream->read();
            n_seen += (uint32_t) reading.chunk.tokens.size();
            begun.tokens.insert(begun.tokens.end(), reading.chunk.tokens.begin(), reading.chunk.tokens.end());
        }
        session->abort();
        const answer end = drain(*stream, [] { std::this_thread::yield(); });
        begun.tokens.insert(begun.tokens.end(), end.tokens.begin(), end.tokens.end());
        const uint32_t n = (uint32_t) begun.tokens.size();
        const answer rest = decode(*session, budgeted(8));
        dispose(*session);
        std::shared_ptr<session_handle> other;
        const answer same = write(*pair, budgeted(n, 1), &other);
        CHECK(same.tokens == begun.tokens);
        n_unused += end.result.n_refreshed_tokens > same.result.n_refreshed_tokens;
        CHECK(close(rest, decode(*other, budgeted(8))));
        dispose(*other);
    }
    // Some aborts met a refresh.
    CHECK(n_unused > 0);
}

TEST("a session is saved and restored with what was read again") {
    const writers_case f;
    temp_folder folder;
    pair_options options = precise(f.options());
    options.max_sessions = 2;
    const auto pair = load(options);
    std::shared_ptr<session_handle> session;
    CHECK(write(*pair, budgeted(50), &session).result.n_refreshes > 4);
    const std::string path = folder.file("refreshed");
    save(*session, path);
    const auto again = create_session(*pair);
    restore(*again, path);
    CHECK(close(decode(*again, budgeted(20)), decode(*session, budgeted(20))));
}

TEST("a budget and an interval go together, and a budget without anything to refresh does nothing") {
    const writers_case f;
    const auto pair = load(precise(f.options()));
    decode_options both = budgeted(60, 0.05);
    both.refresh_interval = 5;
    // The interval's refreshes have used the budget up.
    CHECK_EQUAL(write(*pair, both).result.n_refreshes, 11u);
    decode_options alone = budgeted(30, 1);
    alone.writer = prefill_side;
    CHECK_EQUAL(write(*pair, alone, nullptr, prefill_side).result.n_refreshes, 0u);
    decode_options checked = budgeted(30, 1);
    checked.quality.is = quality_options::kind::exact;
    CHECK_EQUAL(write(*pair, checked).result.n_refreshes, 0u);
}

TEST("several answers with budgets at once are what each is alone, in a pool too") {
    const writers_case f;
    for (const uint32_t pool : { 0u, 300u }) {
        pair_options options = precise(f.options());
        options.max_sessions = 4;
        options.cache_tokens = pool;
        const auto pair = load(options);
        const auto begin = [&](uint32_t i) {
            auto session = create_session(*pair);
            prefill(*session, some_tokens(30 + i, i));
            hand_over(*session, i % 2 == 0 ? quick : careful);
            return session;
        };
        std::vector<answer> wanted;
        for (uint32_t i = 0; i < 4; i++) {
            const auto session = begin(i);
            wanted.push_back(decode(*session, budgeted(50, 0.2 * i)));
            dispose(*session);
        }
        std::vector<std::shared_ptr<session_handle>> sessions;
        std::vector<std::shared_ptr<token_stream>> streams;
        for (uint32_t i = 0; i < 4; i++) sessions.push_back(begin(i));
        for (uint32_t i = 0; i < 4; i++) streams.push_back(sessions[i]->decode(budgeted(50, 0.2 * i), [] {}));
        for (uint32_t i = 0; i < 4; i++) CHECK(close(drain(*streams[i], [] { std::this_thread::yield(); }), wanted[i]));
        for (const auto & session : sessions) dispose(*session);
    }
}
