// The engine against llama.cpp's own greedy decoding, written over the public llama.h alone: a pair of one, and a pair
// of two identical models on one shared cache, must give the same tokens.
#include "check.h"
#include "engine_driver.h"
#include "tiny_model.h"

#include <llama.h>

#include <algorithm>
#include <filesystem>

using namespace overfill;
using namespace overfill::test;

static std::vector<llama_token> plain_greedy(const std::string & path, std::vector<llama_token> prompt,
                                             uint32_t n_tokens, const pair_options & like) {
    llama_model * model = llama_model_load_from_file(path.c_str(), llama_model_default_params());
    llama_context_params params = llama_context_default_params();
    params.n_ctx = like.context_size;
    params.n_batch = params.n_ubatch = like.batch_size;
    params.n_threads = params.n_threads_batch = like.n_threads;
    params.type_k = like.cache_type_k;
    params.type_v = like.cache_type_v;
    params.flash_attn_type =
        like.attention == flash_attention::off ? LLAMA_FLASH_ATTN_TYPE_DISABLED : LLAMA_FLASH_ATTN_TYPE_ENABLED;
    llama_context * ctx = llama_init_from_model(model, params);
    const int32_t n_vocab = llama_vocab_n_tokens(llama_model_get_vocab(model));

    std::vector<llama_token> answer;
    for (size_t at = 0; at < prompt.size(); at += like.batch_size) {
        const auto n = (int32_t) std::min<size_t>(like.batch_size, prompt.size() - at);
        llama_decode(ctx, llama_batch_get_one(prompt.data() + at, n));
    }
    while (true) {
        const float * logits = llama_get_logits_ith(ctx, -1);
        llama_token next = (llama_token) (std::max_element(logits, logits + n_vocab) - logits);
        answer.push_back(next);
        if (answer.size() == n_tokens) break;
        llama_decode(ctx, llama_batch_get_one(&next, 1));
    }
    llama_free(ctx);
    llama_model_free(model);
    return answer;
}

static std::vector<llama_token> two_stage(const pair_options & options, const std::vector<llama_token> & prompt,
                                          uint32_t n_tokens) {
    const auto pair = load(options);
    const auto session = create_session(*pair);
    prefill(*session, prompt);
    hand_over(*session);
    decode_options decoding = greedy(n_tokens);
    decoding.sampling.ignore_eos = false;
    const answer out = decode(*session, decoding);
    dispose(*pair);
    return out.tokens;
}

static void compare(const tiny_model & shape, pair_options options, uint32_t n_prompt) {
    const model_path full(shape);
    const auto prompt = some_tokens(n_prompt);
    const auto expected = plain_greedy(full.str(), prompt, 48, options);
    // The end token would end the engine's answer; a model that gives it says nothing about the rest.
    const auto end = std::find(expected.begin(), expected.end(), 2);
    const std::vector<llama_token> until_end(expected.begin(), end);
    CHECK(until_end.size() > 8);

    options.prefill.path = full.str();
    CHECK(two_stage(options, prompt, 48) == until_end);

    const std::string copy = full.str() + ".copy";
    std::filesystem::copy_file(full.str(), copy);
    options.decode.path = copy;
    CHECK(two_stage(options, prompt, 48) == until_end);
    options.handover = handover_choice::translate;
    CHECK(two_stage(options, prompt, 48) == until_end);
    std::filesystem::remove(copy);
}

TEST("a pair of identical models writes what plain greedy decoding writes, for every weight type") {
    for (const ggml_type type : { GGML_TYPE_F32, GGML_TYPE_F16, GGML_TYPE_Q8_0, GGML_TYPE_Q4_0 }) {
        tiny_model shape;
        shape.type = type;
        compare(shape, options_for(""), 40);
    }
}

TEST("so does it with quantised caches, with and without flash attention") {
    for (const flash_attention attention : { flash_attention::on, flash_attention::off }) {
        pair_options options = options_for("");
        options.attention = attention;
        compare(tiny_model(), options, 40);
        options.cache_type_k = GGML_TYPE_Q8_0;
        if (attention == flash_attention::on) options.cache_type_v = GGML_TYPE_Q8_0;
        compare(tiny_model(), options, 40);
    }
}

TEST("so does it for a prompt of many micro-batches") {
    pair_options options = options_for("");
    options.batch_size = 32;
    compare(tiny_model(), options, 333);
}

TEST("so does it on two threads") {
    pair_options options = options_for("");
    options.n_threads = 2;
    compare(tiny_model(), options, 40);
}
