// Several decode models on one prefill model: each writes what it writes in a pair of its own, and one takes over from
// another in the middle of an answer as llama.h alone has it.
#include "check.h"
#include "engine_driver.h"
#include "models.h"
#include "pair_driver.h"
#include "plain_context.h"
#include "tiny_model.h"

#include <cstring>
#include <random>
#include <thread>

using namespace overfill;
using namespace overfill::test;

namespace {

using rows = std::vector<logits_row>;
using tokens = std::vector<llama_token>;

constexpr pair_side prefill_side = pair_side::prefill;
const pair_side quick = decode_side(0), careful = decode_side(1), third = decode_side(2);

// As a pair makes its contexts: a decode model's micro-batch, and the prefill model's.
constexpr uint32_t n_written_batch = 32, n_read_batch = 64;

tiny_model shape(uint32_t seed, uint32_t n_embd, uint32_t n_layer = 2) {
    tiny_model m;
    m.seed = seed;
    m.n_embd = n_embd;
    m.n_layer = n_layer;
    return m;
}

writer_options writer(const std::string & name, const model_path & model) {
    writer_options out;
    out.name = name;
    out.model.path = model.str();
    return out;
}

struct fixture {
    model_path full{ shape(1, 64) }, small{ shape(2, 32) }, other{ shape(3, 48) };

    pair_options options() const {
        pair_options o = options_for(full.str(), small.str());
        o.context_size = 256;
        o.batch_size = n_read_batch;
        o.decode_name = "quick";
        o.more_writers = { writer("careful", other) };
        return o;
    }
    // One decode model by itself.
    pair_options alone(const model_path & decode) const {
        pair_options o = options();
        o.decode_name = "decode";
        o.decode.path = decode.str();
        o.more_writers.clear();
        return o;
    }
};

// Models and contexts of llama.h alone, one of each.
class oracle {
  public:
    explicit oracle(const fixture & f) {
        const std::string * paths[] = { &f.full.str(), &f.small.str(), &f.other.str() };
        for (const std::string * path : paths) {
            models_.push_back(load_model({ *path, 0 }, load_depth::weights, [](float) { return true; }));
            contexts_.emplace_back(models_.back().get(), models_.size() == 1 ? n_read_batch : n_written_batch);
        }
    }
    plain_context & of(pair_side side) { return contexts_[(size_t) side]; }

    // Reads tokens one by one; what each gives.
    void write(pair_side side, const tokens & text, rows & out) {
        for (const llama_token token : text) out.push_back(of(side).read({ token }));
    }

  private:
    std::vector<model_ptr> models_;
    std::vector<plain_context> contexts_;
};

bool same_bits(const rows & a, const rows & b) {
    if (a.size() != b.size()) return false;
    for (size_t i = 0; i < a.size(); i++)
        if (a[i].size() != b[i].size() || std::memcmp(a[i].data(), b[i].data(), a[i].size() * sizeof(float)) != 0)
            return false;
    return true;
}

tokens part(const tokens & text, size_t from, size_t to) {
    return { text.begin() + (std::ptrdiff_t) from, text.begin() + (std::ptrdiff_t) to };
}

void append(rows & to, rows from) {
    for (logits_row & row : from) to.push_back(std::move(row));
}

answer answer_by(engine & pair, const tokens & prompt, const decode_options & options) {
    const auto session = pair.create_session();
    prefill(*session, prompt);
    hand_over(*session);
    answer out = decode(*session, options);
    dispose(*session);
    return out;
}

decode_options watched(uint32_t n, std::optional<pair_side> writer = std::nullopt) {
    decode_options options = greedy(n);
    options.sampling.n_log_probs = 5;
    options.sampling.ignore_eos = true;
    options.writer = writer;
    return options;
}

bool same(const answer & a, const answer & b) {
    if (a.tokens != b.tokens || a.log_probs.size() != b.log_probs.size()) return false;
    for (size_t i = 0; i < a.log_probs.size(); i++)
        for (size_t j = 0; j < a.log_probs[i].size(); j++)
            if (a.log_probs[i][j].token != b.log_probs[i][j].token ||
                a.log_probs[i][j].log_prob != b.log_probs[i][j].log_prob)
                return false;
    return true;
}

const tokens prompt = some_tokens(40), text = some_tokens(32, 3);

}  // namespace

TEST("each decode model writes what it writes in a pair of its own") {
    const fixture f;
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

TEST("where they share, one takes over from another within an answer, as llama.h has it") {
    const fixture f;
    oracle expected(f);
    rows wanted = { expected.of(prefill_side).read(prompt) };
    struct stretch {
        pair_side by;
        size_t end;
    };
    const std::vector<stretch> plan = {
        { quick, 8 }, { careful, 16 }, { prefill_side, 20 }, { quick, 28 }, { careful, 32 }
    };
    pair_side before = prefill_side;
    size_t read = 0;
    for (const stretch & s : plan) {
        if (s.by != before) expected.of(s.by).copy_state(expected.of(before));
        // The last token of a stretch is read by who comes next.
        expected.write(s.by, part(text, read, s.end - 1), wanted);
        read = s.end - 1;
        before = s.by;
    }

    pair_driver driver(f.options());
    CHECK(driver.prefill(prompt));
    CHECK(driver.hand_over(quick).kind == handover_kind::share);
    rows got;
    size_t from = 0;
    for (const stretch & s : plan) {
        append(got, driver.decode(part(text, from, s.end), s.by));
        from = s.end;
    }
    CHECK(same_bits(got, wanted));
    // The writers read all but the last token, each what it was given.
    CHECK_EQUAL(driver.stats().n_decode_steps, 31u);

    // The next prefill reads again from where the first decode model began.
    const tokens more = some_tokens(10, 5);
    CHECK(driver.prefill(more));
    CHECK_EQUAL(driver.stats().n_refreshed_tokens, 32u);
    driver.hand_over(careful);
    const rows after = driver.decode(part(text, 0, 6));
    oracle again(f);
    tokens all = text;
    all.insert(all.end(), more.begin(), more.end());
    again.of(prefill_side).read(prompt);
    rows wanted_after = { again.of(prefill_side).read(all) };
    again.of(careful).copy_state(again.of(prefill_side));
    again.write(careful, part(text, 0, 5), wanted_after);
    CHECK(same_bits(after, wanted_after));
}

TEST("what a decode model wrote into a cache of its own, the next one reads itself") {
    const fixture f;
    pair_options options = f.options();
    options.handover = handover_choice::translate;
    pair_driver driver(options);
    CHECK(driver.prefill(prompt));
    CHECK_EQUAL(driver.hand_over(quick).n_tokens, 40u);
    rows got;
    append(got, driver.decode(part(text, 0, 8)));
    append(got, driver.decode(part(text, 8, 16), careful));
    append(got, driver.decode(part(text, 16, 20), quick));
    append(got, driver.decode(part(text, 20, 24), prefill_side));
    append(got, driver.decode(part(text, 24, 28), careful));

    oracle expected(f);
    rows wanted = { expected.of(prefill_side).read(prompt) };
    expected.of(quick).copy_state(expected.of(prefill_side));
    expected.of(careful).copy_state(expected.of(prefill_side));
    expected.write(quick, part(text, 0, 7), wanted);
    wanted.push_back(expected.of(careful).read(part(text, 0, 8)));
    expected.write(careful, part(text, 8, 15), wanted);
    // It still has what it wrote.
    wanted.push_back(expected.of(quick).read(part(text, 7, 16)));
    expected.write(quick, part(text, 16, 19), wanted);
    wanted.push_back(expected.of(prefill_side).read(part(text, 0, 20)));
    expected.write(prefill_side, part(text, 20, 23), wanted);
    // By now the prefill model's cache has more than a copy of the beginning, and that goes first.
    expected.of(careful).copy_state(expected.of(prefill_side));
    wanted.push_back(expected.of(careful).read(part(text, 23, 24)));
    expected.write(careful, part(text, 24, 27), wanted);
    CHECK(same_bits(got, wanted));
}

TEST("the prefill model's own answer is not read again") {
    const fixture f;
    pair_driver driver(f.options());
    CHECK(driver.prefill(prompt));
    driver.hand_over(prefill_side);
    driver.decode(part(text, 0, 12));
    CHECK(driver.prefill(some_tokens(10, 5)));
    // Only the last token, which nobody had read.
    CHECK_EQUAL(driver.stats().n_refreshed_tokens, 1u);
}

TEST("tokens are taken back whoever wrote them, and written again alike") {
    const fixture f;
    for (const handover_choice choice : { handover_choice::share, handover_choice::translate }) {
        pair_options options = f.options();
        options.handover = choice;
        pair_driver driver(options);
        const auto begin = [&] {
            driver.clear();
            CHECK(driver.prefill(prompt));
            driver.hand_over(prefill_side);
            driver.decode(part(text, 0, 8));
        };
        begin();
        const rows wanted = driver.decode(part(text, 8, 20), careful);
        begin();
        driver.decode(part(text, 8, 16), careful);
        driver.retract(5);
        CHECK(same_bits(driver.decode(part(text, 11, 20)), { wanted.begin() + 3, wanted.end() }));
        // Back to what another had written.
        driver.retract(14);
        driver.decode(part(text, 6, 8), prefill_side);
        CHECK(same_bits(driver.decode(part(text, 8, 20), careful), wanted));
    }
}

TEST("a refresh within an answer takes in what several wrote") {
    const fixture f;
    pair_driver driver(f.options());
    CHECK(driver.prefill(prompt));
    driver.hand_over(quick);
    driver.decode(part(text, 0, 8));
    driver.decode(part(text, 8, 12), careful);
    CHECK(driver.refresh());
    const rows got = driver.decode(part(text, 12, 16));
    oracle expected(f);
    expected.of(prefill_side).read(prompt);
    rows wanted = { expected.of(prefill_side).read(part(text, 0, 12)) };
    expected.of(careful).copy_state(expected.of(prefill_side));
    expected.write(careful, part(text, 12, 15), wanted);
    CHECK(same_bits(got, wanted));
}

TEST("sessions with different writers write at once what each writes alone") {
    const fixture f;
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
            sessions.push_back(pair->create_session(writers[i]));
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
    const fixture f;
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
        for (size_t i = 0; i < which.size(); i++) sessions.push_back(pair->create_session());
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

TEST("what a writer of some layers wrote, others read themselves") {
    const model_path deep(shape(5, 64, 4)), narrow(shape(6, 32, 4)), cut(shape(4, 32, 2));
    pair_options options = options_for(deep.str(), narrow.str());
    options.context_size = 256;
    options.batch_size = n_read_batch;
    options.more_writers = { writer("cut", cut) };
    options.more_writers[0].layers = { 1, 3 };
    pair_driver driver(options);
    CHECK(driver.prefill(prompt));
    driver.hand_over(careful);
    driver.decode(part(text, 0, 8));
    const rows got = driver.decode(part(text, 8, 16), quick);

    const model_ptr full = load_model({ deep.str(), 0 }, load_depth::weights, [](float) { return true; }),
                    small = load_model({ narrow.str(), 0 }, load_depth::weights, [](float) { return true; });
    plain_context reader(full.get(), n_read_batch), writer(small.get(), n_written_batch);
    reader.read(prompt);
    writer.copy_state(reader);
    rows wanted = { writer.read(part(text, 0, 8)) };
    for (size_t i = 8; i < 15; i++) wanted.push_back(writer.read({ text[i] }));
    CHECK(same_bits(got, wanted));

    // The prefill model cannot go on from those cells either, and says so.
    driver.clear();
    CHECK(driver.prefill(prompt));
    driver.hand_over(careful);
    driver.decode(part(text, 0, 8));
    CHECK_FAILURE(error_code::handover_unavailable, driver.prefill(some_tokens(10, 5), /*refresh*/ false));
    CHECK(driver.prefill(some_tokens(10, 5)));
}

TEST("errors say whose they are, and one file's weights are loaded once") {
    const fixture f;
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
