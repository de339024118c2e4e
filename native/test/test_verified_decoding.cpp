// Verified decoding: an exact answer is the prefill model's own, whatever drafts, and leaves the cells as the prefill
// model reads them.
#include "check.h"
#include "memory_model.h"
#include "writers_case.h"

#include <cmath>
#include <map>
#include <thread>

using namespace overfill;
using namespace overfill::test;

namespace {

const tokens prompt = some_tokens(40);

// Sums in which the order of their terms changes little: rows of several are computed otherwise than a row alone.
pair_options precise(pair_options options) {
    options.cache_type_k = options.cache_type_v = GGML_TYPE_F32;
    options.attention = flash_attention::off;
    return options;
}

decode_options watched(uint32_t n, std::optional<pair_side> writer = std::nullopt) {
    decode_options options = greedy(n);
    options.sampling.n_log_probs = 3;
    options.sampling.ignore_eos = true;
    options.writer = writer;
    return options;
}

decode_options exact(decode_options options) {
    options.quality.is = quality_options::kind::exact;
    return options;
}

// The answer, and what the prefill model says behind it.
struct told {
    answer text, after;
};

told tell(engine & pair, const decode_options & options, std::optional<pair_side> drafter = std::nullopt) {
    const auto session = create_session(pair);
    prefill(*session, prompt);
    hand_over(*session, drafter);
    told out;
    out.text = decode(*session, options);
    prefill_options how;
    how.refresh = false;
    prefill(*session, some_tokens(5, 9), how);
    hand_over(*session, prefill_side);
    out.after = decode(*session, watched(4));
    dispose(*session);
    return out;
}

// By tokens: a text may begin or end inside a character.
bool close(const answer & a, const answer & b) {
    if (a.tokens != b.tokens || a.log_probs.size() != b.log_probs.size()) return false;
    for (size_t i = 0; i < a.log_probs.size(); i++)
        if (!(std::abs(a.log_probs[i][0].log_prob - b.log_probs[i][0].log_prob) < 1e-3f)) return false;
    return true;
}

struct recurrent_case {
    memory_model_path full{ of(1) }, small{ of(2) };

    static memory_model of(uint32_t seed) {
        memory_model model;
        model.keeps = memory_model::kind::recurrent;
        model.seed = seed;
        return model;
    }
    pair_options options() const { return options_for(full.str(), small.str()); }
};

// With `same`, every draft is right.
void check_exact(pair_options options, bool same = false) {
    for (const bool deterministic : { true, false }) {
        const auto pair = load(precise(options));
        for (const uint32_t n : { 1u, 2u, 3u, 7u, 60u }) {
            decode_options asked = watched(n);
            asked.deterministic = deterministic;
            asked.writer = prefill_side;
            const told wanted = tell(*pair, asked);
            asked.writer.reset();
            const told got = tell(*pair, exact(asked));
            CHECK(close(got.text, wanted.text));
            CHECK(close(got.after, wanted.after));
            CHECK_EQUAL(got.text.result.n_tokens, n);
            CHECK(got.text.result.verification->n_kept_tokens + got.text.result.verification->n_replaced_tokens <=
                  got.text.result.verification->n_drafted_tokens);
            if (n < 60) continue;
            CHECK(got.text.result.verification->n_drafted_tokens > 0);
            if (same)
                CHECK(got.text.result.verification->n_replaced_tokens == 0 ||
                      got.text.result.verification->n_found_tokens > 0);
            if (same && deterministic) CHECK(got.text.result.verification->n_checks < 25);
        }
    }
}

}  // namespace

TEST("an exact answer is the prefill model's, where the drafts share its cells") {
    const writers_case f;
    check_exact(f.options());
}

TEST("an exact answer is the prefill model's, where the drafts need a cache of their own") {
    const writers_case f;
    pair_options options = f.options();
    options.handover = handover_choice::translate;
    check_exact(options);
}

TEST("an exact answer is the prefill model's, where every draft is right") {
    const writers_case f;
    const model_path same(shape(1, 64));
    check_exact(f.alone(same), true);
}

TEST("an exact answer is the prefill model's, where the memory is a recurrent state") {
    const recurrent_case f;
    check_exact(f.options());
}

TEST("an exact answer is the prefill model's, where there is no decode model") {
    const writers_case f;
    pair_options options = f.options();
    options.decode.path.clear();
    options.more_writers.clear();
    const auto pair = load(precise(options));
    CHECK(close(tell(*pair, exact(watched(60))).text, tell(*pair, watched(60)).text));
}

TEST("an exact answer keeps to grammar, penalties, bias and stop texts") {
    const writers_case f;
    const auto pair = load(precise(f.options()));
    std::vector<decode_options> all(5, watched(40));
    all[0].sampling.repeat_penalty = 1.5f;
    all[1].sampling.grammar = "root ::= (\"a\" [b-d] \" \")+";
    all[2].sampling.dry_multiplier = 0.8f;
    all[2].sampling.logit_bias = { { 300, 5.0f }, { 301, -INFINITY } };
    all[3].stop = { "e", "a" };
    all[4].sampling.grammar = "root ::= [a-z] [a-z] [a-z] [a-z] [a-z] [a-z] [a-z]";
    for (decode_options & asked : all) {
        asked.sampling.ignore_eos = false;
        asked.writer = prefill_side;
        const told wanted = tell(*pair, asked);
        for (const pair_side drafter : { quick, careful }) {
            asked.writer = drafter;
            const told got = tell(*pair, exact(asked));
            CHECK(close(got.text, wanted.text));
            CHECK(close(got.after, wanted.after));
            CHECK(got.text.result.reason == wanted.text.result.reason);
            CHECK_EQUAL(got.text.result.stop, wanted.text.result.stop);
        }
    }
}

TEST("a stop that begins inside a token leaves that token as the prefill model reads it") {
    const writers_case f;
    const auto pair = load(precise(f.options()));
    uint32_t n_stopped = 0;
    decode_options asked = watched(60);
    asked.writer = prefill_side;
    const std::string text = tell(*pair, asked).text.text;
    for (size_t at = 1; at + 2 < text.size(); at++) {
        asked = watched(60);
        asked.deterministic = true;
        asked.stop = { text.substr(at, 2) };
        asked.writer = prefill_side;
        const told wanted = tell(*pair, asked);
        asked.writer.reset();
        const told got = tell(*pair, exact(asked));
        CHECK(close(got.text, wanted.text));
        CHECK(close(got.after, wanted.after));
        n_stopped += got.text.result.reason == finish_reason::stop;
    }
    CHECK(n_stopped > 20);
}

TEST("several exact answers at once are what each is alone, in a pool too") {
    const writers_case f;
    for (const uint32_t pool : { 0u, 300u }) {
        pair_options options = precise(f.options());
        options.max_sessions = 4;
        options.cache_tokens = pool;
        const auto pair = load(options);
        std::vector<answer> wanted;
        for (uint32_t i = 0; i < 4; i++) {
            const auto session = create_session(*pair);
            prefill(*session, some_tokens(30 + i, i));
            hand_over(*session);
            wanted.push_back(decode(*session, watched(50, prefill_side)));
            dispose(*session);
        }
        std::vector<std::shared_ptr<session_handle>> sessions;
        std::vector<std::shared_ptr<token_stream>> streams;
        for (uint32_t i = 0; i < 4; i++) {
            sessions.push_back(create_session(*pair));
            prefill(*sessions[i], some_tokens(30 + i, i));
            hand_over(*sessions[i], i % 2 == 0 ? quick : careful);
        }
        for (uint32_t i = 0; i < 4; i++)
            streams.push_back(sessions[i]->decode(i == 3 ? watched(50, prefill_side) : exact(watched(50)), [] {}));
        for (uint32_t i = 0; i < 4; i++) CHECK(close(drain(*streams[i], [] { std::this_thread::yield(); }), wanted[i]));
        for (const auto & session : sessions) dispose(*session);
    }
}

TEST("checks of several answers are read in one batch, and an abort leaves the others") {
    const writers_case f;
    for (const uint32_t pool : { 0u, 1024u }) {
        for (const handover_choice choice : { handover_choice::share, handover_choice::translate }) {
            pair_options options = precise(f.options());
            options.max_sessions = 4;
            options.handover = choice;
            options.cache_tokens = pool;
            const auto pair = load(options);
            std::vector<answer> wanted;
            for (uint32_t i = 0; i < 4; i++) {
                const auto session = create_session(*pair);
                prefill(*session, some_tokens(30 + i, i));
                hand_over(*session);
                wanted.push_back(decode(*session, watched(80, prefill_side)));
                dispose(*session);
            }
            // Whether batches pay is measured, and a machine that does something else may say that they do not.
            bool joined = false;
            for (int attempt = 0; attempt < 5 && !joined; attempt++) {
                std::vector<std::shared_ptr<session_handle>> sessions;
                std::vector<std::shared_ptr<token_stream>> streams;
                for (uint32_t i = 0; i < 4; i++) {
                    sessions.push_back(create_session(*pair));
                    prefill(*sessions[i], some_tokens(30 + i, i));
                    hand_over(*sessions[i]);
                }
                const uint64_t n_before = pair->metrics().n_prefill_batches;
                for (uint32_t i = 0; i < 4; i++) {
                    decode_options asked = exact(watched(80));
                    asked.quality.fixed_draft = i == 3 ? 2 : 3;
                    streams.push_back(sessions[i]->decode(asked, [] {}));
                }
                uint32_t n_checks = 0;
                for (uint32_t i = 0; i < 4; i++) {
                    if (i == 1 && attempt % 2 == 0) sessions[1]->abort();
                    const answer got = drain(*streams[i], [] { std::this_thread::yield(); });
                    n_checks += got.result.verification->n_checks;
                    if (got.result.reason == finish_reason::abort) {
                        CHECK(got.tokens.size() < 80u);
                        CHECK(std::equal(got.tokens.begin(), got.tokens.end(), wanted[i].tokens.begin()));
                    } else {
                        CHECK(close(got, wanted[i]));
                    }
                }
                joined = pair->metrics().n_prefill_batches - n_before <= n_checks / 2;
                for (const auto & session : sessions) dispose(*session);
            }
            CHECK(joined);
        }
    }
}

TEST("an exact answer goes on where another ended, was cut or taken back") {
    const writers_case f;
    for (const handover_choice choice : { handover_choice::share, handover_choice::translate }) {
        pair_options options = precise(f.options());
        options.handover = choice;
        options.max_sessions = 2;
        const auto pair = load(options);
        const auto session = create_session(*pair), alone = create_session(*pair);
        prefill(*session, prompt);
        hand_over(*session);
        const answer fast = decode(*session, watched(9));
        const answer rest = decode(*session, exact(watched(12)));
        tokens text = prompt;
        text.insert(text.end(), fast.tokens.begin(), fast.tokens.end());
        prefill(*alone, text);
        hand_over(*alone, prefill_side);
        const answer wanted = decode(*alone, watched(12));
        CHECK(close(rest, wanted));
        retract(*session, 7);
        answer tail = decode(*session, exact(watched(7)));
        tail.text = wanted.text;
        tail.tokens.insert(tail.tokens.begin(), wanted.tokens.begin(), wanted.tokens.begin() + 5);
        tail.log_probs.insert(tail.log_probs.begin(), wanted.log_probs.begin(), wanted.log_probs.begin() + 5);
        CHECK(close(tail, wanted));
        dispose(*session);
        dispose(*alone);
    }
}

TEST("who writes behind an exact answer goes on from what the prefill model read") {
    const writers_case f;
    for (const handover_choice choice : { handover_choice::share, handover_choice::translate }) {
        pair_options options = precise(f.options());
        options.handover = choice;
        const auto pair = load(options);
        for (uint32_t n = 1; n < 12; n++) {
            for (const bool leaves : { false, true }) {
                const auto session = create_session(*pair);
                prefill(*session, prompt);
                hand_over(*session, careful);
                decode_options asked = exact(watched(n + (leaves ? 3 : 0)));
                asked.deterministic = n % 2 == 0;
                tokens text = prompt;
                for (const llama_token token : decode(*session, asked).tokens) text.push_back(token);
                if (leaves) {
                    retract(*session, 3);
                    text.resize(text.size() - 3);
                }
                const answer got = decode(*session, watched(5));
                dispose(*session);

                const auto alone = create_session(*pair);
                const llama_token last = text.back();
                text.pop_back();
                prefill(*alone, text);
                hand_over(*alone, careful);
                decode_options forced = watched(1);
                forced.sampling.logit_bias = { { last, INFINITY } };
                decode(*alone, forced);
                CHECK(close(got, decode(*alone, watched(5))));
                dispose(*alone);
            }
        }
    }
}

TEST("sampled exact answers are distributed as the prefill model's") {
    const writers_case f;
    const auto pair = load(precise(f.options()));
    constexpr uint32_t n_answers = 4000, n_tokens = 3;
    // How often each answer comes.
    const auto count = [&](bool verified, bool deterministic, uint32_t first_seed) {
        const auto session = create_session(*pair);
        prefill(*session, prompt);
        hand_over(*session, verified ? quick : prefill_side);
        std::map<tokens, double> seen;
        uint32_t n_replaced = 0, n_kept = 0;
        for (uint32_t i = 0; i < n_answers; i++) {
            decode_options options = watched(n_tokens);
            // A few tokens, which both models give a fair chance.
            options.sampling.grammar = "root ::= [a-d]*";
            options.sampling.temperature = 1.5f;
            options.sampling.top_k = 0;
            options.sampling.top_p = 1.0f;
            options.sampling.min_p = 0.0f;
            options.sampling.has_seed = true;
            options.sampling.seed = first_seed + i;
            options.deterministic = deterministic;
            if (verified) options = exact(options);
            const answer got = decode(*session, options);
            seen[got.tokens]++;
            if (verified) n_replaced += got.result.verification->n_replaced_tokens;
            if (verified) n_kept += got.result.verification->n_kept_tokens;
            retract(*session, n_tokens);
        }
        if (verified && deterministic) CHECK(n_replaced > n_answers / 20 && n_kept > n_answers / 20);
        dispose(*session);
        return seen;
    };
    const auto wanted = count(false, false, 0);
    for (const bool deterministic : { true, false }) {
        const auto got = count(true, deterministic, n_answers);
        // Two samples of one distribution: the statistic's mean is the number of different answers, less one.
        std::map<tokens, double> difference = wanted;
        for (const auto & [answer, n] : got) difference[answer] -= n;
        double sum = 0, n_kinds = 0;
        for (const auto & [answer, n] : difference) {
            const double both =
                (wanted.count(answer) ? wanted.at(answer) : 0) + (got.count(answer) ? got.at(answer) : 0);
            if (both < 20) continue;
            sum += n * n / both;
            n_kinds++;
        }
        CHECK(n_kinds > 10);
        CHECK(sum < n_kinds + 6 * std::sqrt(2 * n_kinds));
    }
}
