// Several decode models on one prefill model, through the engine: each writes what it writes in a pair of its own, also
// while others write.
#include "check.h"
#include "compared_models.h"
#include "writers_case.h"

#include <atomic>
#include <cmath>
#include <random>
#include <thread>

using namespace overfill;
using namespace overfill::test;

namespace {

answer answer_by(engine & pair, const tokens & prompt, const decode_options & options) {
    const auto session = create_session(pair);
    prefill(*session, prompt);
    hand_over(*session);
    answer out = decode(*session, options);
    dispose(*session);
    return out;
}

decode_options watched(uint32_t n, std::optional<pair_side> writer = std::nullopt) {
    decode_options options = greedy_with_log_probs(n);
    options.writer = writer;
    return options;
}

const tokens prompt = some_tokens(40);

}  // namespace

TEST("each decode model writes what it writes in a pair of its own") {
    const writers_case f;
    for (const handover_choice choice : { handover_choice::share, handover_choice::translate }) {
        const auto in = [&](pair_options options) {
            options.handover = choice;
            return options;
        };
        pair_info info;
        const auto pair = load(in(f.options()), &info);
        CHECK_EQUAL(info.writers.size(), 2u);
        CHECK_EQUAL(info.writers[1].name, "careful");
        const answer by_quick = answer_by(*pair, prompt, watched(24)),
                     by_careful = answer_by(*pair, prompt, watched(24, careful));
        CHECK_EQUAL(by_quick.result.writer, "quick");
        CHECK_EQUAL(by_careful.result.writer, "careful");
        CHECK(by_quick.tokens != by_careful.tokens);
        CHECK(same(by_quick, answer_by(*load(in(f.alone(f.small))), prompt, watched(24))));
        CHECK(same(by_careful, answer_by(*load(in(f.alone(f.other))), prompt, watched(24))));
        const auto reader_alone = load(options_for(f.full.str()));
        pair_options one = f.alone(f.small);
        one.decode.path.clear();
        CHECK(same(answer_by(*pair, prompt, watched(24, prefill_side)), answer_by(*load(one), prompt, watched(24))));
    }
}

TEST("sessions with different writers write at once what each writes alone") {
    const writers_case f;
    const model_path cut(shape(4, 32, 2)), deep(shape(5, 64, 4)), narrow(shape(6, 32, 4));
    pair_options options = options_for(deep.str(), narrow.str());
    options.max_sessions = 6;
    options.decode_name = "narrow";
    options.more_writers = { writer("cut", cut), writer("copied", narrow) };
    options.more_writers[0].layers = { 1, 3 };
    options.more_writers[1].cache_type_k = GGML_TYPE_Q8_0;
    pair_info info;
    const auto pair = load(options, &info);
    CHECK(info.writers[0].plan.kind == handover_kind::share);
    CHECK(info.writers[1].plan.kind == handover_kind::share);
    CHECK(!info.writers[1].plan.layer_map.empty());
    CHECK(info.writers[2].plan.kind == handover_kind::translate);

    const std::vector<pair_side> writers = { quick, careful, third, prefill_side, quick, careful };
    for (const bool deterministic : { true, false }) {
        std::vector<std::shared_ptr<session_handle>> sessions;
        std::vector<answer> alone;
        for (size_t i = 0; i < writers.size(); i++) {
            decode_options asked = watched(40, writers[i]);
            alone.push_back(answer_by(*pair, some_tokens(30 + 5 * (uint32_t) i, (uint32_t) i), asked));
        }
        for (size_t i = 0; i < writers.size(); i++) {
            sessions.push_back(create_session(*pair, 0, writers[i]));
            prefill(*sessions[i], some_tokens(30 + 5 * (uint32_t) i, (uint32_t) i));
            CHECK_EQUAL(hand_over(*sessions[i]).writer,
                        writers[i] == prefill_side ? "prefill" : info.writers[decode_index(writers[i])].name);
        }
        std::vector<std::shared_ptr<token_stream>> streams;
        for (const auto & session : sessions) {
            decode_options asked = watched(40);
            asked.deterministic = deterministic;
            streams.push_back(session->decode(asked, [] {}));
        }
        for (size_t i = 0; i < streams.size(); i++) {
            const answer got = drain(*streams[i], [] { std::this_thread::yield(); });
            CHECK(got.tokens == alone[i].tokens);
            if (deterministic) CHECK(same(got, alone[i]));
        }
        for (const auto & session : sessions) dispose(*session);
    }
}

// A turn of a conversation by chance: a prompt, who writes, and who goes on.
struct random_turn {
    tokens prompt;
    pair_side first, then;
    uint32_t n_first, n_then, n_taken_back, refresh_interval;
};

TEST("random turns of several sessions at once give what each gives alone") {
    const writers_case f;
    const model_path cut(shape(4, 32, 1));
    pair_options options = f.options();
    options.context_size = 512;
    options.max_sessions = 5;
    options.more_writers.push_back(writer("cut", cut));
    options.more_writers.back().layers = { 1 };
    options.more_writers.push_back(writer("copied", f.other));
    options.more_writers.back().cache_type_v = GGML_TYPE_F32;
    pair_info info;
    const auto pair = load(options, &info);
    CHECK(info.writers[3].plan.kind == handover_kind::translate);

    std::mt19937 random(11);
    const auto below = [&](uint32_t n) { return (uint32_t) (random() % n); };
    constexpr size_t n_sessions = 5, n_turns = 4;
    std::vector<std::vector<random_turn>> programs(n_sessions);
    for (auto & program : programs)
        for (size_t i = 0; i < n_turns; i++)
            program.push_back({ some_tokens(5 + below(30), below(1000)), (pair_side) below(5), (pair_side) below(5),
                                1 + below(12), 2 + below(12), below(2), below(3) == 0 ? 3 + below(4) : 0 });

    const auto asked = [](const random_turn & turn, bool first) {
        decode_options out = watched(first ? turn.n_first : turn.n_then);
        if (!first) out.writer = turn.then;
        out.refresh_interval = turn.refresh_interval;
        out.deterministic = true;
        return out;
    };
    // Each turn's two answers, of some sessions at once.
    const auto run = [&](const std::vector<size_t> & which) {
        std::vector<std::shared_ptr<session_handle>> sessions;
        for (size_t i = 0; i < which.size(); i++) sessions.push_back(create_session(*pair));
        std::vector<answer> answers;
        for (size_t t = 0; t < n_turns; t++) {
            for (size_t i = 0; i < which.size(); i++) {
                const random_turn & turn = programs[which[i]][t];
                prefill(*sessions[i], turn.prompt);
                hand_over(*sessions[i], turn.first);
            }
            for (const bool first : { true, false }) {
                std::vector<std::shared_ptr<token_stream>> streams;
                for (size_t i = 0; i < which.size(); i++)
                    streams.push_back(sessions[i]->decode(asked(programs[which[i]][t], first), [] {}));
                for (const auto & stream : streams)
                    answers.push_back(drain(*stream, [] { std::this_thread::yield(); }));
            }
            for (size_t i = 0; i < which.size(); i++) retract(*sessions[i], programs[which[i]][t].n_taken_back);
        }
        for (const auto & session : sessions) dispose(*session);
        return answers;
    };
    const std::vector<answer> together = run({ 0, 1, 2, 3, 4 });
    for (size_t i = 0; i < n_sessions; i++) {
        const std::vector<answer> alone = run({ i });
        for (size_t k = 0; k < alone.size(); k++) CHECK(same(alone[k], together[k * n_sessions + i]));
    }
}

// Where the other's token is chosen first, the abort finds this one's last token read and the next not chosen.
TEST("what an aborted answer leaves to the next reader does not depend on when the abort came") {
    const writers_case f;
    pair_options options = f.options();
    options.max_sessions = 2;
    options.cache_type_k = options.cache_type_v = GGML_TYPE_F32;
    options.attention = flash_attention::off;
    const auto pair = load(options);
    const auto goes_on = [](session_handle & session) {
        prefill_options how;
        how.refresh = false;
        prefill(session, some_tokens(8, 3), how);
        hand_over(session, prefill_side);
        answer out = decode(session, watched(1));
        dispose(session);
        return out;
    };
    for (const size_t which : { 0, 1 }) {
        for (uint32_t n_read = 2; n_read < 8; n_read++) {
            std::vector<std::shared_ptr<session_handle>> sessions;
            for (int i = 0; i < 2; i++) {
                sessions.push_back(create_session(*pair));
                prefill(*sessions.back(), prompt);
                hand_over(*sessions.back());
            }
            std::atomic<uint32_t> n_rung{ 0 };
            std::shared_ptr<token_stream> streams[2];
            for (const size_t i : { 1 - which, which })
                streams[i] = sessions[i]->decode(watched(60), [&, aborts = i != which] {
                    if (aborts && ++n_rung == n_read) sessions[which]->abort();
                });
            drain(*streams[1 - which], [] { std::this_thread::yield(); });
            const answer left = drain(*streams[which], [] { std::this_thread::yield(); });
            if (left.tokens.empty()) continue;
            const answer after = goes_on(*sessions[which]);
            dispose(*sessions[1 - which]);

            const auto session = create_session(*pair);
            prefill(*session, prompt);
            hand_over(*session);
            CHECK(decode(*session, watched((uint32_t) left.tokens.size())).tokens == left.tokens);
            const answer wanted = goes_on(*session);
            CHECK(std::abs(after.log_probs[0][0].log_prob - wanted.log_probs[0][0].log_prob) < 1e-3f);
        }
    }
}

TEST("errors say whose they are, and one file's weights are loaded once") {
    const writers_case f;
    const model_path misfit(shape(7, 32, 3));
    pair_options options = f.options();
    options.more_writers.push_back(writer("misfit", misfit));
    bool told = false;
    try {
        load(options);
    } catch (const failure & error) {
        told = std::string(error.what()).find("writer \"misfit\"") == 0;
        CHECK(error.code() == error_code::handover_unavailable || error.code() == error_code::pair_incompatible);
    }
    CHECK(told);
    options = f.options();
    options.more_writers = { writer("again", f.small), writer("reader", f.full) };
    options.more_writers[1].cache_type_k = GGML_TYPE_Q8_0;
    const compared_models models = load_and_compare(options, load_depth::weights, [](float) { return true; });
    CHECK(models.writers[0].model == models.writers[1].model);
    CHECK(models.writers[2].model == models.prefill);
    CHECK(models.writers[2].plan.one_file && !models.writers[1].plan.one_file);
}
