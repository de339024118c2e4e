// What a session leaves in the cells of a memory when its arithmetic has overflowed: nothing that harms the next one.
// llama.cpp does not clear what it gives free. Graphs look at whole blocks of cells and give those that are not meant
// a weight of zero, and begin a recurrent state by multiplying with zero: both leave what is no number as it is.
#include "check.h"
#include "memory_model.h"
#include "writers_case.h"

#include <gguf.h>

#include <cmath>
#include <cstdio>
#include <memory>

using namespace overfill;
using namespace overfill::test;

namespace {

constexpr llama_token broken = 290;  // some_tokens has others, too

// Makes a token's embedding in a file no number.
void break_token(const std::string & path, uint32_t n_embd) {
    const std::unique_ptr<gguf_context, void (*)(gguf_context *)> gguf(
        gguf_init_from_file(path.c_str(), { true, nullptr }), gguf_free);
    const size_t at = gguf_get_data_offset(gguf.get()) +
                      gguf_get_tensor_offset(gguf.get(), gguf_find_tensor(gguf.get(), "token_embd.weight")) +
                      sizeof(float) * n_embd * (size_t) broken;
    const std::vector<float> row(n_embd, NAN);
    std::FILE * file = std::fopen(path.c_str(), "r+b");
    std::fseek(file, (long) at, SEEK_SET);
    CHECK_EQUAL(std::fwrite(row.data(), sizeof(float), n_embd, file), (size_t) n_embd);
    std::fclose(file);
}

tokens good_prompt(uint32_t n) {
    tokens out = some_tokens(n, 1);
    for (llama_token & token : out)
        if (token == broken) token++;
    return out;
}

decode_options watched() {
    decode_options options = greedy(8);
    options.sampling.ignore_eos = true;
    options.sampling.logit_bias = { { broken, -INFINITY } };
    return options;
}

tokens answer_to(engine & pair, const tokens & prompt) {
    const auto session = create_session(pair);
    prefill(*session, prompt);
    hand_over(*session);
    const tokens out = decode(*session, watched()).tokens;
    dispose(*session);
    return out;
}

void check_next_one(const pair_options & options) {
    const tokens expected = answer_to(*load(options), good_prompt(20));
    const auto pair = load(options);
    tokens bad = good_prompt(40);
    bad.push_back(broken);
    CHECK_FAILURE(error_code::inference_failed, answer_to(*pair, bad));
    CHECK(answer_to(*pair, good_prompt(20)) == expected);
}

}  // namespace

TEST("a session with broken keys and values leaves none of them to the next one") {
    const model_path full(shape(1, 64)), small(shape(2, 32));
    break_token(full.str(), 64);
    for (const uint32_t cache_tokens : { 0u, 512u })
        for (const flash_attention attention : { flash_attention::on, flash_attention::off }) {
            pair_options options = options_for(full.str(), small.str());
            options.context_size = 512;
            options.attention = attention;
            options.cache_tokens = cache_tokens;
            check_next_one(options);
        }
}

TEST("what is read of a broken model is kept for nobody") {
    const model_path full(shape(1, 64));
    break_token(full.str(), 64);
    pair_options options = options_for(full.str());
    options.prefix_cache_bytes = 1 << 20;
    options.max_sessions = 2;
    const auto pair = load(options);
    tokens bad = good_prompt(40);
    bad.push_back(broken);
    for (const auto & [prompt, n_cached] : { std::pair(bad, 0u), std::pair(good_prompt(41), 40u) })
        for (const bool again : { false, true }) {
            const auto session = create_session(*pair);
            CHECK_EQUAL(prefill(*session, prompt).n_cached_tokens, again ? n_cached : 0u);
            dispose(*session);
        }
}

TEST("a session with a broken state does not leave it to the next one") {
    memory_model full, small;
    small.seed = 2;
    const memory_model_path full_path(full), small_path(small);
    break_token(full_path.str(), full.n_embd);
    check_next_one(options_for(full_path.str(), small_path.str()));
}
