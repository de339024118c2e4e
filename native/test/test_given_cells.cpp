// Cells that one engine gives and another takes in place of reading: what is written then, and what is refused.
#include "check.h"
#include "engine_driver.h"
#include "temp_folder.h"
#include "tiny_model.h"
#include "waiter.h"

#include <cstring>
#include <future>
#include <memory>
#include <mutex>
#include <vector>

using namespace overfill;
using namespace overfill::test;

namespace {

struct fixture {
    model_path full{ tiny_model() }, small{ narrow() };

    static tiny_model narrow() {
        tiny_model m;
        m.seed = 2;
        m.n_embd = 32;
        return m;
    }

    pair_options pair() const { return sized(options_for(full.str(), small.str())); }
    pair_options alone() const { return sized(options_for(small.str())); }

    static pair_options sized(pair_options o) {
        o.batch_size = 32;
        o.context_size = 256;
        return o;
    }
};

given_cells cells_of(session_handle & session, uint32_t from, uint32_t n, bool with_logits) {
    waiter<given_cells> wait;
    session.give_cells(from, n, with_logits, wait.end());
    return wait.get();
}

cell_facts facts_of(engine & pair, pair_side writer = pair_side::decode) {
    waiter<cell_facts> wait;
    pair.tell_cell_facts(writer, wait.end());
    return wait.get();
}

// A prefill that somebody else reads for, until it asks.
class fetched_prefill {
  public:
    fetched_prefill(session_handle & session, prompt_input prompt) : session_(session) {
        auto asked = std::make_shared<std::promise<std::pair<std::vector<llama_token>, uint32_t>>>();
        asked_ = asked->get_future();
        source_ = std::make_shared<cell_source>([asked](const std::vector<llama_token> & text, uint32_t from) {
            asked->set_value({ text, from });
        });
        prefill_options options;
        options.elsewhere = source_;
        session.prefill(std::move(prompt), options, {}, end_.end());
    }

    std::pair<std::vector<llama_token>, uint32_t> asked() { return asked_.get(); }
    void give(given_cells cells) { session_.put_cells(*source_, std::move(cells)); }
    prefill_result result() { return end_.get(); }

  private:
    session_handle & session_;
    std::shared_ptr<cell_source> source_;
    std::future<std::pair<std::vector<llama_token>, uint32_t>> asked_;
    waiter<prefill_result> end_;
};

// One turn of a conversation on both sides, the reader's cells given in two parts.
answer fetched_turn(session_handle & reader, session_handle & writer, const std::vector<llama_token> & prompt) {
    fetched_prefill run(writer, prompt);
    const auto [text, from] = run.asked();
    prefill_options replacing;
    replacing.replace = true;
    prefill(reader, text, replacing);
    hand_over(reader);
    const uint32_t n = (uint32_t) text.size() - from, n_first = n / 2;
    if (n_first > 0) run.give(cells_of(reader, from, n_first, false));
    run.give(cells_of(reader, from + n_first, n - n_first, true));
    CHECK_EQUAL(run.result().n_context_tokens, (uint32_t) text.size());
    hand_over(writer);
    return decode(writer, greedy_with_log_probs(12));
}

answer local_turn(session_handle & session, const std::vector<llama_token> & prompt) {
    prefill(session, prompt);
    hand_over(session);
    return decode(session, greedy_with_log_probs(12));
}

bool refuses(session_handle & writer, const std::vector<llama_token> & prompt,
             const std::function<given_cells(given_cells)> & harm, const given_cells & sound) {
    fetched_prefill run(writer, prompt);
    run.asked();
    run.give(harm(sound));
    try {
        run.result();
    } catch (const failure & error) {
        return error.code() == error_code::remote_answer_invalid && writer.stats().n_context_tokens == 0;
    }
    return false;
}

}  // namespace

TEST("who takes another engine's cells writes what the pair writes, turn by turn, bit for bit") {
    const fixture f;
    for (const handover_choice choice : { handover_choice::share, handover_choice::translate })
        for (const ggml_type type : { GGML_TYPE_F16, GGML_TYPE_Q8_0 })
            for (const flash_attention attention : { flash_attention::on, flash_attention::off }) {
                if (type == GGML_TYPE_Q8_0 && attention == flash_attention::off) continue;
                pair_options options = f.pair(), alone = f.alone();
                options.handover = choice;
                for (pair_options * each : { &options, &alone }) {
                    each->cache_type_k = each->cache_type_v = type;
                    each->attention = attention;
                }
                const auto reader = load(options), writer = load(alone), local = load(options);
                const auto there = create_session(*reader), here = create_session(*writer),
                           both = create_session(*local);
                CHECK(facts_of(*reader).facts == facts_of(*writer).facts);
                for (uint32_t turn = 0; turn < 3; turn++) {
                    const std::vector<llama_token> prompt = some_tokens(turn == 0 ? 70 : 9, turn);
                    CHECK(same(fetched_turn(*there, *here, prompt), local_turn(*both, prompt)));
                }
                for (const auto & each : { reader, writer, local }) dispose(*each);
            }
}

TEST("a pool's sessions take cells, and others' are put aside for them") {
    const fixture f;
    pair_options options = f.pair(), alone = f.alone();
    for (pair_options * each : { &options, &alone }) {
        each->max_sessions = 3;
        each->cache_tokens = 256;
    }
    const auto reader = load(options), writer = load(alone), local = load(f.pair());
    const auto there = create_session(*reader), expected = create_session(*local);
    const std::vector<llama_token> prompt = some_tokens(150);
    const answer right = local_turn(*expected, prompt);
    std::vector<std::shared_ptr<session_handle>> sessions;
    for (int i = 0; i < 3; i++) {
        sessions.push_back(create_session(*writer));
        CHECK(fetched_turn(*there, *sessions.back(), prompt).tokens == right.tokens);
    }
    for (const auto & each : { reader, writer, local }) dispose(*each);
}

TEST("cells that cannot be those that were asked for are refused, and leave nothing") {
    const fixture f;
    const auto reader = load(f.pair()), writer = load(f.alone());
    const auto there = create_session(*reader), here = create_session(*writer);
    const std::vector<llama_token> prompt = some_tokens(40);
    prefill(*there, prompt);
    hand_over(*there);
    const given_cells sound = cells_of(*there, 0, 40, true);
    const std::vector<std::function<given_cells(given_cells)>> harms = {
        [](given_cells c) { return c.hash ^= 1, c; },
        [](given_cells c) { return c.n_tokens = 0, c; },
        [](given_cells c) { return c.n_tokens = 39, c; },
        [](given_cells c) { return c.n_tokens = 41, c; },
        [](given_cells c) { return c.n_tokens = UINT32_MAX, c; },
        [](given_cells c) { return c.logits.clear(), c; },
        [](given_cells c) { return c.logits.pop_back(), c; },
        [](given_cells c) {
            shared_bytes other(c.rows.size());
            std::memcpy(other.data(), c.rows.data(), c.rows.size());
            other.data()[1000] ^= 0x10;
            return c.rows = other, c;
        },
    };
    for (const auto & harm : harms) CHECK(refuses(*here, prompt, harm, sound));
    const auto local = load(f.pair());
    const auto both = create_session(*local);
    // The reader has read all but the last token before, in other micro-batches.
    CHECK(fetched_turn(*there, *here, prompt).tokens == local_turn(*both, prompt).tokens);
    for (const auto & each : { reader, writer, local }) dispose(*each);
}

TEST("a prefill that waits for cells can be aborted, and disposed of") {
    const fixture f;
    const auto writer = load(f.alone());
    const auto here = create_session(*writer);
    {
        fetched_prefill run(*here, some_tokens(40));
        run.asked();
        here->abort();
        CHECK_FAILURE(error_code::aborted, run.result());
    }
    CHECK_EQUAL(here->stats().n_context_tokens, 0u);
    fetched_prefill run(*here, some_tokens(40));
    run.asked();
    dispose(*writer);
    CHECK_FAILURE(error_code::disposed, run.result());
}

TEST("cells are given right after a switch, of tokens that are there") {
    const fixture f;
    const auto reader = load(f.pair());
    const auto there = create_session(*reader);
    CHECK_FAILURE(error_code::stage_order, cells_of(*there, 0, 1, false));
    prefill(*there, some_tokens(40));
    CHECK_FAILURE(error_code::stage_order, cells_of(*there, 0, 1, false));
    hand_over(*there);
    CHECK_FAILURE(error_code::invalid_argument, cells_of(*there, 0, 0, false));
    CHECK_FAILURE(error_code::invalid_argument, cells_of(*there, 39, 2, false));
    CHECK_FAILURE(error_code::invalid_argument, cells_of(*there, UINT32_MAX, 2, false));
    CHECK_EQUAL(cells_of(*there, 39, 1, false).n_tokens, 1u);
    decode(*there, greedy_with_log_probs(3));
    CHECK_FAILURE(error_code::stage_order, cells_of(*there, 0, 1, false));
    dispose(*reader);
}

TEST("what cells depend on tells models, vocabularies and caches apart") {
    const fixture f;
    const auto facts = [&](const pair_options & options) {
        const auto pair = load(options);
        const cell_facts out = facts_of(*pair);
        dispose(*pair);
        return out;
    };
    const cell_facts expected = facts(f.pair());
    CHECK(facts(f.alone()).facts == expected.facts);
    CHECK(facts(f.alone()).reader != expected.reader);
    pair_options other = f.alone();
    other.cache_type_k = GGML_TYPE_Q8_0;
    CHECK(facts(other).facts != expected.facts);
    other = f.alone();
    other.attention = flash_attention::off;
    CHECK(facts(other).facts != expected.facts);
    CHECK(facts(fixture::sized(options_for(f.full.str()))).facts != expected.facts);
}
