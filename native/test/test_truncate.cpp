// Sessions whose end is taken away. Meant to run under the sanitizers too.
#include "check.h"
#include "engine_driver.h"
#include "session_image.h"
#include "tiny_model.h"

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

    // In micro-batches of one token it makes no difference where a reading began.
    pair_options options(handover_choice handover) const {
        pair_options o = options_for(full.str(), small.str());
        o.handover = handover;
        o.batch_size = 1;
        return o;
    }
};

constexpr handover_choice handovers[] = { handover_choice::share, handover_choice::translate };

decode_options watched(uint32_t n) {
    decode_options options = greedy(n);
    options.sampling.n_log_probs = 5;
    return options;
}

// Whether `rest` is what `whole` is from its n-th token on.
bool continues(const answer & whole, size_t n, const answer & rest) {
    if (rest.tokens.size() != whole.tokens.size() - n || rest.log_probs.size() != rest.tokens.size()) return false;
    for (size_t i = 0; i < rest.log_probs.size(); i++)
        for (size_t j = 0; j < rest.log_probs[i].size(); j++)
            if (rest.log_probs[i][j].token != whole.log_probs[n + i][j].token ||
                rest.log_probs[i][j].log_prob != whole.log_probs[n + i][j].log_prob)
                return false;
    return true;
}

answer fresh_answer(const pair_options & options, const std::vector<llama_token> & prompt, const decode_options & how) {
    const auto pair = load(options);
    const auto session = create_session(*pair);
    prefill(*session, prompt);
    hand_over(*session);
    return decode(*session, how);
}

}  // namespace

TEST("an answer truncated at any token is written on as it was") {
    const fixture f;
    for (const handover_choice choice : handovers) {
        const answer whole = fresh_answer(f.options(choice), some_tokens(50), watched(30));
        const auto pair = load(f.options(choice));
        const auto s = create_session(*pair);
        prefill(*s, some_tokens(50));
        hand_over(*s);
        decode(*s, greedy(30));
        for (uint32_t n_left = 30; n_left-- > 0;) {
            truncate(*s, 50 + n_left);
            CHECK(s->stats().stage == (n_left > 0 ? session_stage::paused : session_stage::switched));
            CHECK(continues(whole, n_left, decode(*s, watched(30 - n_left))));
        }
    }
}

TEST("a prompt truncated at any token is read on from there") {
    const fixture f;
    const auto prompt = some_tokens(20), more = some_tokens(5, 1);
    for (const handover_choice choice : handovers) {
        const auto pair = load(f.options(choice));
        const auto s = create_session(*pair);
        for (uint32_t n_left = 0; n_left < 20; n_left++) {
            truncate(*s, 0);
            CHECK(s->stats().stage == session_stage::empty);
            prefill(*s, prompt);
            hand_over(*s);
            decode(*s, greedy(8));
            truncate(*s, n_left);
            CHECK_FAILURE(error_code::stage_order, decode(*s, greedy(1)));
            CHECK_FAILURE(error_code::stage_order, hand_over(*s));
            const prefill_result read = prefill(*s, more);
            CHECK_EQUAL(read.n_prompt_tokens, 5u);
            CHECK_EQUAL(read.n_refreshed_tokens, 0u);
            hand_over(*s);
            std::vector<llama_token> text(prompt.begin(), prompt.begin() + n_left);
            text.insert(text.end(), more.begin(), more.end());
            CHECK(continues(fresh_answer(f.options(choice), text, watched(4)), 0, decode(*s, watched(4))));
        }
    }
}

TEST("what a refresh has read again stays read where an answer is truncated behind it or in it") {
    const fixture f;
    for (const handover_choice choice : handovers) {
        decode_options refreshing = greedy(30);
        refreshing.refresh_interval = 7;
        for (uint32_t n_left = 1; n_left < 30; n_left++) {
            const auto pair = load(f.options(choice));
            const auto s = create_session(*pair);
            prefill(*s, some_tokens(50));
            hand_over(*s);
            CHECK_EQUAL(decode(*s, refreshing).result.n_refreshes, 4u);
            truncate(*s, 50 + n_left);
            const uint32_t n_read = s->stats().n_prefill_tokens;
            CHECK_EQUAL(prefill(*s, some_tokens(3, 1)).n_refreshed_tokens, n_left > 28 ? n_left - 28 : 0);
            CHECK_EQUAL(s->stats().n_prefill_tokens, n_read + 3 + (n_left > 28 ? n_left - 28 : 0));
        }
    }
}

TEST("more tokens than a session has are refused and change nothing") {
    const fixture f;
    const auto pair = load(f.options(handover_choice::share));
    const auto s = create_session(*pair);
    truncate(*s, 0);
    CHECK_FAILURE(error_code::invalid_argument, truncate(*s, 1));
    prefill(*s, some_tokens(10));
    CHECK_FAILURE(error_code::invalid_argument, truncate(*s, 11));
    truncate(*s, 10);
    CHECK(s->stats().stage == session_stage::prefilled);
    hand_over(*s);
    CHECK_EQUAL(decode(*s, greedy(3)).tokens.size(), 3u);
    dispose(*s);
    CHECK_FAILURE(error_code::disposed, truncate(*s, 0));
}

TEST("an answer truncated within a refresh can be saved and restored") {
    const fixture f;
    pair_options options = f.options(handover_choice::share);
    options.batch_size = 4;
    options.max_sessions = 2;
    pair models(
        options, [](void *) { return false; }, nullptr, [](float) { return true; });
    session written(models, 0), restored(models, 1);
    session::prefill_run run(written, some_tokens(20), prefill_options{});
    while (!run.done()) run.step();
    written.hand_over();
    written.begin_decode();
    const auto write = [&](uint32_t n, uint32_t salt) {
        for (const llama_token token : some_tokens(n, salt)) {
            uint32_t n_steps = 0;
            written.next_logits(n_steps);
            written.append(token);
        }
    };
    write(8, 1);
    while (!written.refresh_some().done)
        ;
    write(8, 2);
    // Half of the next one.
    CHECK(!written.refresh_some().done);
    decode_result result;
    result.n_tokens = 16;
    result.reason = finish_reason::length;
    written.end_decode(result, 0, "");
    written.truncate(33);
    session_image image = written.take_image(/*gradual*/ false);
    CHECK_EQUAL(image_defect(image, models, 1), "");
    restored.adopt(std::move(image));
    for (cached_sequence * cache : restored.caches()) CHECK(cache->bring_back());
    uint32_t n_steps = 0;
    const auto next = [&](session & one) {
        one.begin_decode();
        const float * logits = one.next_logits(n_steps);
        return std::vector<float>(logits, logits + llama_vocab_n_tokens(models.vocab()));
    };
    const std::vector<float> expected = next(written);
    CHECK(next(restored) == expected);
}
