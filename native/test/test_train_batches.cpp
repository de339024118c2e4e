// From examples to batches: what is read by whom, what is asked for, and that packing loses and mixes nothing.
#include "check.h"
#include "learning_rate.h"
#include "micro_batches.h"
#include "sequences.h"

#include <cmath>
#include <map>
#include <set>

using namespace overfill;
using namespace overfill::test;

// --- sequences ---

// Tokens 0, 1, 2, ...: a token's value is its place.
static example counting(size_t n_prompt, size_t n_response, bool is_text = false) {
    example made;
    for (size_t i = 0; i < n_prompt + n_response; i++) (i < n_prompt ? made.prompt : made.response).push_back((int) i);
    made.is_text = is_text;
    return made;
}

static std::vector<int> asked(const train_sequence & sequence) {
    std::vector<int> out;
    for (size_t i = sequence.first_target; i + 1 < sequence.tokens.size(); i++) out.push_back(sequence.tokens[i + 1]);
    return out;
}

TEST("the paper's way: the prompt is the full model's, the response is asked for from its second token on") {
    random_state random;
    const auto made = sequences_of(counting(5, 4), {}, random);
    CHECK_EQUAL(made.size(), (size_t) 1);
    CHECK(made[0].prefix == std::vector<llama_token>({ 0, 1, 2, 3, 4 }));
    CHECK(made[0].tokens == std::vector<llama_token>({ 5, 6, 7, 8 }));
    CHECK(asked(made[0]) == std::vector<int>({ 6, 7, 8 }));
    CHECK_EQUAL(made[0].n_targets(), 3u);
    // One token is the full model's alone.
    CHECK(sequences_of(counting(5, 1), {}, random).empty());
}

TEST("a prompt ratio leaves the end of the prompt to the student") {
    random_state random;
    sequence_options options;
    options.prompt_ratio = 0.6;
    const auto made = sequences_of(counting(5, 4), options, random);
    CHECK_EQUAL(made[0].prefix.size(), (size_t) 3);
    CHECK(asked(made[0]) == std::vector<int>({ 6, 7, 8 }));
    options.prompt_ratio = 0;
    CHECK(sequences_of(counting(5, 4), options, random)[0].prefix.empty());
}

TEST("alone, all of the response is asked for; of a plain text all but its first token") {
    random_state random;
    for (const train_mode mode : { train_mode::sft, train_mode::full }) {
        sequence_options options;
        options.mode = mode;
        const auto made = sequences_of(counting(3, 2), options, random);
        CHECK(made[0].prefix.empty());
        CHECK(asked(made[0]) == std::vector<int>({ 3, 4 }));
        CHECK(asked(sequences_of(counting(1, 3, true), options, random)[0]) == std::vector<int>({ 1, 2, 3 }));
        CHECK(asked(sequences_of(counting(0, 3, true), options, random)[0]) == std::vector<int>({ 1, 2 }));
    }
}

TEST("with a refresh interval every piece begins behind the full model's reading of all before it") {
    random_state random;
    sequence_options options;
    options.refresh_interval = 3;
    const auto made = sequences_of(counting(2, 8), options, random);
    CHECK_EQUAL(made.size(), (size_t) 3);
    CHECK(asked(made[0]) == std::vector<int>({ 3, 4 }));
    CHECK_EQUAL(made[1].prefix.size(), (size_t) 5);
    CHECK(asked(made[1]) == std::vector<int>({ 6, 7 }));
    CHECK(asked(made[2]) == std::vector<int>({ 9 }));
}

TEST("drawn cuts stay inside, differ, and follow from the random state") {
    sequence_options options;
    options.random_cutoff = 0.5;
    std::set<size_t> seen;
    random_state random{ 3 }, same{ 3 };
    for (int i = 0; i < 200; i++) {
        const auto made = sequences_of(counting(4, 20), options, random);
        const size_t n = made[0].prefix.size();
        CHECK(n >= 4 && n <= 14);
        CHECK_EQUAL(asked(made[0]).front(), (int) n + 1);
        CHECK_EQUAL(sequences_of(counting(4, 20), options, same)[0].prefix.size(), n);
        seen.insert(n);
    }
    CHECK(seen.size() > 5);

    seen.clear();
    for (int i = 0; i < 200; i++) {
        const auto made = sequences_of(counting(1, 40, true), {}, random);
        seen.insert(made[0].prefix.size());
        CHECK(made[0].prefix.size() >= 5 && made[0].prefix.size() <= 37);
    }
    CHECK(seen.size() > 20);
}

// --- batches ---

static std::vector<train_sequence> drawn_sequences(random_state & random, size_t n, bool with_prefix) {
    std::vector<train_sequence> made(n);
    int value = 1;
    for (train_sequence & sequence : made) {
        sequence.prefix.resize(with_prefix ? random.below(200) : 0);
        sequence.tokens.resize(2 + random.below(100));
        for (llama_token & token : sequence.tokens) token = value++;
        sequence.first_target = (uint32_t) random.below(sequence.tokens.size() - 1);
    }
    return made;
}

TEST("every target is in one batch, once, with its own token, position and segment") {
    random_state random{ 11 };
    for (int round = 0; round < 60; round++) {
        const bool with_prefix = round % 2;
        const auto sequences = drawn_sequences(random, 1 + random.below(30), with_prefix);
        micro_batch_limits limits;
        limits.n_tokens = 64 + (uint32_t) random.below(600);
        limits.row_tokens = round % 3 == 0 ? 0 : 256;
        limits.key_cost = round % 4 * 0.002;
        limits.key_block = round % 5 == 0 ? 0 : 96;
        double weight = 0;
        std::map<int, int> asked_of;  // target by the token before it
        std::set<size_t> used;
        for (const micro_batch & batch : make_micro_batches(sequences, limits)) {
            const auto & [n_sequences, n_tokens, n_prefix] = batch.shape;
            const size_t n = (size_t) n_sequences * n_tokens;
            CHECK(n <= limits.n_tokens || n_sequences == 1);
            CHECK(n_tokens % limits.token_bucket == 0 && n_prefix % limits.prefix_bucket == 0);
            CHECK(batch.data.tokens.size() == n && batch.data.targets.size() == n && batch.data.segments.size() == n);
            CHECK_EQUAL(batch.rows.size(), (size_t) n_sequences);
            for (size_t r = 0; r < batch.rows.size(); r++) {
                CHECK(n_prefix == 0 || batch.rows[r].size() == 1);
                size_t at = r * n_tokens;
                for (size_t s = 0; s < batch.rows[r].size(); s++) {
                    CHECK(used.insert(batch.rows[r][s]).second);
                    const train_sequence & sequence = sequences[batch.rows[r][s]];
                    CHECK(sequence.prefix.size() <= n_prefix);
                    for (size_t i = 0; i < sequence.tokens.size(); i++, at++) {
                        CHECK(batch.data.tokens[at] == sequence.tokens[i] && batch.data.segments[at] == (int) s);
                        CHECK_EQUAL(batch.data.positions[at], (llama_pos) (sequence.prefix.size() + i));
                        if (batch.data.weights[at] > 0) asked_of[sequence.tokens[i]] = batch.data.targets[at];
                        weight += batch.data.weights[at];
                    }
                }
                for (; at < (r + 1) * n_tokens; at++)
                    CHECK(batch.data.segments[at] == -1 && batch.data.weights[at] == 0);
            }
        }
        CHECK_EQUAL(used.size(), sequences.size());
        CHECK(std::fabs(weight - 1) < 1e-5);
        size_t n_targets = 0;
        for (const train_sequence & sequence : sequences) {
            n_targets += sequence.n_targets();
            for (size_t i = sequence.first_target; i + 1 < sequence.tokens.size(); i++)
                CHECK_EQUAL(asked_of[sequence.tokens[i]], sequence.tokens[i + 1]);
        }
        CHECK_EQUAL(asked_of.size(), n_targets);
    }
}

TEST("packing fills rows") {
    std::vector<train_sequence> sequences(16);
    for (train_sequence & sequence : sequences) sequence.tokens.resize(16);
    micro_batch_limits limits;
    limits.row_tokens = 64;
    const auto packed = make_micro_batches(sequences, limits);
    CHECK_EQUAL(packed.size(), (size_t) 1);
    CHECK(packed[0].shape.n_sequences == 4 && packed[0].shape.n_tokens == 64);
    CHECK_EQUAL(packed[0].data.segments[63], 3);
}

TEST("rows are no longer than is worth their attention") {
    std::vector<train_sequence> sequences(16);
    for (train_sequence & sequence : sequences) sequence.tokens.resize(33);
    micro_batch_limits limits;
    limits.row_tokens = 1024;
    const auto shape_at = [&](double key_cost) {
        limits.key_cost = key_cost;
        return make_micro_batches(sequences, limits)[0].shape;
    };
    // Free attention: one row of 528 tokens leaves the least empty. Dear: a row for each sequence.
    CHECK_EQUAL(shape_at(0).n_tokens, 544u);
    CHECK_EQUAL(shape_at(1).n_tokens, 64u);
    CHECK_EQUAL(shape_at(1).n_sequences, 16u);
    // Three in 128 leave less empty than one in 64.
    CHECK_EQUAL(shape_at(0.002).n_tokens, 128u);
    limits.row_tokens = 64;
    CHECK_EQUAL(shape_at(0).n_tokens, 64u);
    // Where what others' texts have is left out, long rows are as cheap as short ones, and filled better.
    limits.row_tokens = 1024;
    limits.key_block = 96;
    CHECK_EQUAL(shape_at(0.002).n_tokens, 544u);
    // But not where the last of them would be half empty: a batch's rows are all as long as its longest.
    sequences.resize(32);
    for (train_sequence & sequence : sequences) sequence.tokens.resize(45);
    CHECK_EQUAL(shape_at(0.002).n_tokens, 96u);
    CHECK_EQUAL(shape_at(0.002).n_sequences, 16u);
}

// --- learning rate ---

TEST("the rate warms up in equal parts, reaches its peak, and ends at its floor") {
    learning_rate rate;
    rate.peak = 2;
    rate.warm_up = 0.1;
    rate.floor = 0.25;
    for (const rate_schedule schedule : { rate_schedule::constant, rate_schedule::linear, rate_schedule::cosine }) {
        rate.schedule = schedule;
        for (uint64_t step = 0; step < 10; step++)
            CHECK(std::fabs(rate.at(step, 100) - 2.0 * (double) (step + 1) / 11) < 1e-12);
        CHECK_EQUAL(rate.at(10, 100), 2.0);
        for (uint64_t step = 11; step < 100; step++) CHECK(rate.at(step, 100) <= rate.at(step - 1, 100));
    }
    rate.schedule = rate_schedule::constant;
    CHECK_EQUAL(rate.at(99, 100), 2.0);
    rate.schedule = rate_schedule::linear;
    CHECK(std::fabs(rate.at(55, 100) - 2 * (0.25 + 0.75 * 0.5)) < 1e-12);
    CHECK(std::fabs(rate.at(100, 100) - 0.5) < 1e-12);
    rate.schedule = rate_schedule::cosine;
    CHECK(std::fabs(rate.at(55, 100) - 2 * (0.25 + 0.75 * 0.5)) < 1e-12);
    CHECK(std::fabs(rate.at(40, 100) - 2 * (0.25 + 0.75 * 0.75)) < 1e-9);  // a third of the way: (1 + cos 60) / 2

    rate.warm_up = 0;
    CHECK_EQUAL(rate.at(0, 1), 2.0);
    rate.warm_up = 1;
    CHECK(rate.at(0, 1) > 0);
}
