// The plan: one field is changed at a time, and the plan must name it and draw the right conclusion.
#include "check.h"
#include "engine_driver.h"
#include "memory_model.h"
#include "models.h"
#include "pair.h"
#include "pair_plan.h"
#include "tiny_model.h"
#include "token_reader.h"

#include <atomic>
#include <functional>

using namespace overfill;
using namespace overfill::test;

namespace {

pair_plan plan_of(const tiny_model & prefill, const tiny_model & decode, load_depth depth = load_depth::weights) {
    const model_path a(prefill), b(decode);
    pair_options options = options_for(a.str(), b.str());
    return load_and_compare(options, depth, [](float) { return true; }).writers[0].plan;
}

void expect(const char * field, handover_kind kind, const tiny_model & decode) {
    // What `inspect` reads without the weights must come to the same.
    for (const load_depth depth : { load_depth::weights, load_depth::metadata }) {
        const pair_plan plan = plan_of(tiny_model(), decode, depth);
        bool named = false;
        for (const plan_reason & reason : plan.reasons) named = named || reason.field == field;
        CHECK_EQUAL(std::string(handover_kind_name(plan.kind)), std::string(handover_kind_name(kind)));
        CHECK_EQUAL(std::string(named ? field : summarize(plan)), std::string(field));
    }
}

}  // namespace

TEST("models of one shape share, whatever their weights, widths and quantisation") {
    tiny_model decode;
    CHECK(plan_of(tiny_model(), decode).kind == handover_kind::share);
    decode.seed = 9;
    decode.n_embd = 32;
    decode.n_ff = 64;
    decode.type = GGML_TYPE_Q4_0;
    const pair_plan plan = plan_of(tiny_model(), decode);
    CHECK(plan.kind == handover_kind::share && plan.reasons.empty() && !plan.one_model);
}

TEST("a different shape of the cache needs a translation") {
    tiny_model decode;
    decode.n_layer = 1;
    expect("layers", handover_kind::translate, decode);
    decode = tiny_model();
    decode.n_head_kv = 4;
    expect("headsKv", handover_kind::translate, decode);
    decode = tiny_model();
    decode.head_size = 32;
    expect("headSizeK", handover_kind::translate, decode);
    expect("headSizeV", handover_kind::translate, decode);
    expect("ropeDimensions", handover_kind::translate, decode);
}

TEST("a layer map makes a depth-pruned pair share; unserved reasons are told") {
    tiny_model full, cut;
    full.n_layer = 4;
    const model_path a(full), b(cut);
    const auto any = [](float) { return true; };
    const model_ptr model_a = load_model({ a.str(), 0 }, load_depth::metadata, any);
    const model_ptr model_b = load_model({ b.str(), 0 }, load_depth::metadata, any);
    const model_traits traits_a = traits_of(model_a.get()), traits_b = traits_of(model_b.get());
    const auto vocab_a = llama_model_get_vocab(model_a.get()), vocab_b = llama_model_get_vocab(model_b.get());
    const auto plan = [&](const translator & how) {
        return plan_pair(traits_a, vocab_a, {}, traits_b, vocab_b, {}, how);
    };
    CHECK(plan({}).kind == handover_kind::translate && !plan({}).available);
    CHECK(summarize(plan({}), true).find("layer map") != std::string::npos);
    translator how;
    how.layers = { 0, 3 };
    CHECK(plan(how).kind == handover_kind::share && plan(how).available && plan(how).layer_map == how.layers);
    how.k.resize(2);
    how.v.resize(2);
    CHECK(plan(how).kind == handover_kind::translate && plan(how).available);
}

TEST("so does another encoding of positions") {
    tiny_model decode;
    decode.rope_base = 500000.0f;
    expect("ropeBase", handover_kind::translate, decode);
    decode = tiny_model();
    decode.rope_factor = 4.0f;
    expect("ropeScale", handover_kind::translate, decode);
    decode = tiny_model();
    decode.rope_freqs = true;
    expect("ropeFactors", handover_kind::translate, decode);
    tiny_model other = decode;
    other.seed = 3;
    CHECK(plan_of(decode, other).kind == handover_kind::translate);
    CHECK(plan_of(decode, decode, load_depth::metadata).kind == handover_kind::share);
}

TEST("another vocabulary makes a pair impossible, be it one token of it") {
    tiny_model decode;
    decode.n_extra_tokens = 101;
    expect("vocabulary", handover_kind::impossible, decode);
    decode = tiny_model();
    decode.odd_token = "odd";
    expect("vocabulary", handover_kind::impossible, decode);
}

TEST("the caches' types, layout and device count as well") {
    const model_path path{ tiny_model() };
    const model_ptr model = load_model({ path.str(), 0 }, load_depth::metadata, [](float) { return true; });
    const model_traits traits = traits_of(model.get());
    const auto vocab = llama_model_get_vocab(model.get());
    const auto plan = [&](const cache_traits & decode) { return plan_pair(traits, vocab, {}, traits, vocab, decode); };
    CHECK(plan({}).kind == handover_kind::share);

    cache_traits cache;
    cache.type_k = GGML_TYPE_Q8_0;
    CHECK(plan(cache).kind == handover_kind::translate && plan(cache).reasons[0].field == "cacheTypeK" &&
          plan(cache).available);
    cache = {};
    cache.type_v = GGML_TYPE_F32;
    CHECK(plan(cache).kind == handover_kind::translate && plan(cache).reasons[0].field == "cacheTypeV");
    cache = {};
    cache.v_transposed = true;
    CHECK(plan(cache).kind == handover_kind::translate && plan(cache).reasons[0].field == "vTransposed");
    cache = {};
    cache.device = "Vulkan0";
    CHECK(plan(cache).kind == handover_kind::translate && plan(cache).reasons[0].field == "device" &&
          plan(cache).available);
}

TEST("a pair that cannot be handed over is refused at load time with every reason") {
    tiny_model other;
    other.n_layer = 1;
    other.rope_base = 77.0f;
    const model_path a{ tiny_model() }, b(other);
    const std::string why = CHECK_FAILURE(error_code::handover_unavailable, load(options_for(a.str(), b.str())));
    CHECK(why.find("layers") != std::string::npos);
    tiny_model foreign;
    foreign.odd_token = "odd";
    const model_path c(foreign);
    CHECK_FAILURE(error_code::pair_incompatible, load(options_for(a.str(), c.str())));
}

TEST("one file is one model, however it is named") {
    const model_path a{ tiny_model() };
    pair_info info;
    const auto pair = load(options_for(a.str(), a.str()), &info);
    CHECK(info.writers[0].plan.one_model);
    pair_options options = options_for(a.str());
    options.handover = handover_choice::share;
    load(options, &info);
    CHECK(info.writers[0].plan.one_model);
}

namespace {

using kept = memory_model::kind;

memory_model keeping(kept keeps, uint32_t seed = 1) {
    memory_model model;
    model.keeps = keeps;
    model.seed = seed;
    return model;
}

pair_plan plan_of(const memory_model & prefill, const memory_model & decode,
                  const std::function<void(pair_options &)> & change = {}) {
    const memory_model_path a(prefill), b(decode);
    pair_options options = options_for(a.str(), b.str());
    if (change) change(options);
    return load_and_compare(options, load_depth::metadata, [](float) { return true; }).writers[0].plan;
}

// One reason is enough for such a memory, and there is no other way.
void expect_impossible(const char * field, const memory_model & prefill, const memory_model & decode) {
    const pair_plan plan = plan_of(prefill, decode);
    bool named = false;
    for (const plan_reason & reason : plan.reasons)
        named = named || (reason.field == field && reason.leads_to == handover_kind::impossible && !reason.served);
    CHECK_EQUAL(std::string(handover_kind_name(plan.kind)), std::string("impossible"));
    CHECK_EQUAL(std::string(named ? field : summarize(plan)), std::string(field));
    CHECK_FAILURE(error_code::pair_incompatible, check_handover(plan));
}

}  // namespace

TEST("models of one family share whatever memory they keep, if it is alike") {
    for (const kept keeps : { kept::recurrent, kept::hybrid, kept::latent, kept::reusing }) {
        memory_model quantised = keeping(keeps, 9);
        quantised.type = GGML_TYPE_F16;
        const pair_plan plan = plan_of(keeping(keeps), quantised);
        CHECK_EQUAL(summarize(plan), std::string("the caches are alike"));
        CHECK(plan.kind == handover_kind::share && plan.available);
        CHECK_EQUAL(plan.only_shared.empty(), keeps == kept::reusing);
        check_handover(plan);
        check_handover(plan, handover_choice::share);
    }
}

TEST("a difference in a memory that can only be shared makes a pair impossible, and is named") {
    memory_model decode = keeping(kept::recurrent);
    decode.state_size = 32;
    expect_impossible("recurrentState", keeping(kept::recurrent), decode);
    decode = keeping(kept::recurrent);
    decode.convolution = 3;
    expect_impossible("convolutionState", keeping(kept::recurrent), decode);
    decode = keeping(kept::recurrent);
    decode.n_layer = 3;
    expect_impossible("layers", keeping(kept::recurrent), decode);

    decode = keeping(kept::hybrid);
    decode.every_other = { 0, 3 };
    expect_impossible("convolutionState", keeping(kept::hybrid), decode);
    expect_impossible("headsKv", keeping(kept::hybrid), decode);
    decode = keeping(kept::hybrid);
    decode.n_head_kv = 1;
    expect_impossible("headsKv", keeping(kept::hybrid), decode);
    decode = keeping(kept::hybrid);
    decode.rope_base = 500000.0f;
    expect_impossible("ropeBase", keeping(kept::hybrid), decode);

    decode = keeping(kept::latent);
    decode.latent_width = 64;
    expect_impossible("latentWidth", keeping(kept::latent), decode);
    decode = keeping(kept::latent);
    decode.rope_base = 500000.0f;
    expect_impossible("ropeBase", keeping(kept::latent), decode);
}

TEST("different memories are told as such, and in one word") {
    const pair_plan plan = plan_of(keeping(kept::recurrent), keeping(kept::hybrid));
    CHECK(plan.kind == handover_kind::impossible);
    CHECK_EQUAL(plan.reasons.back().field, std::string("memory"));
    CHECK_EQUAL(plan.reasons.back().prefill, std::string("recurrent state"));
    CHECK_EQUAL(plan.reasons.back().decode, std::string("hybrid (KV cache and recurrent state)"));
    const std::string why = CHECK_FAILURE(error_code::pair_incompatible, check_handover(plan));
    CHECK(why.find("keep different memories") != std::string::npos);
}

TEST("a hybrid's cache types must agree; a recurrent state has none that could differ") {
    const auto change = [](pair_options & options) { options.decode_cache_type_k = GGML_TYPE_F32; };
    const pair_plan hybrid = plan_of(keeping(kept::hybrid), keeping(kept::hybrid, 2), change);
    CHECK(hybrid.kind == handover_kind::impossible);
    CHECK_EQUAL(hybrid.reasons.at(0).field, std::string("cacheTypeK"));
    CHECK(plan_of(keeping(kept::recurrent), keeping(kept::recurrent, 2), change).kind == handover_kind::share);
}

TEST("what can only be shared is not translated, be it asked for by name or by a layer map") {
    for (const kept keeps : { kept::recurrent, kept::hybrid, kept::latent }) {
        const pair_plan alike = plan_of(keeping(keeps), keeping(keeps, 2));
        const std::string why =
            CHECK_FAILURE(error_code::handover_unavailable, check_handover(alike, handover_choice::translate));
        CHECK(why.find(alike.only_shared) != std::string::npos);

        const pair_plan mapped = plan_of(keeping(keeps), keeping(keeps, 2), [](pair_options & options) {
            options.layers = { 0, 1, 2, 2 };
        });
        CHECK(!mapped.available && mapped.layer_map.empty());
        CHECK_EQUAL(mapped.reasons.at(0).field, std::string("layerMap"));
        CHECK_FAILURE(error_code::handover_unavailable, check_handover(mapped));

        const auto in_order = [](pair_options & options) { options.layers = { 0, 1, 2, 3 }; };
        CHECK(plan_of(keeping(keeps), keeping(keeps, 2), in_order).kind == handover_kind::share);
    }
}

TEST("layers that use another layer's K and V share in their own order only") {
    const pair_plan mapped = plan_of(keeping(kept::reusing), keeping(kept::reusing, 2), [](pair_options & options) {
        options.layers = { 0, 1, 0, 1 };
    });
    CHECK(mapped.kind == handover_kind::translate);
    memory_model decode = keeping(kept::reusing);
    decode.n_reusing = 0;
    const pair_plan fewer = plan_of(keeping(kept::reusing), decode);
    CHECK(fewer.kind == handover_kind::translate && !fewer.available);
}

TEST("what takes K and V apart names the memory that it does not know") {
    for (const kept keeps : { kept::recurrent, kept::hybrid, kept::latent }) {
        const memory_model_path path(keeping(keeps));
        const model_ptr model = load_model({ path.str(), 0 }, load_depth::metadata, [](float) { return true; });
        const model_traits traits = traits_of(model.get());
        check_supported(traits, path.str());
        const std::string why =
            CHECK_FAILURE(error_code::model_unsupported, check_plain_kv(traits, path.str(), "this wants KV caches"));
        CHECK(why.find(traits.memory.name()) != std::string::npos);
        const std::atomic<bool> stop{ false };
        const std::string read = CHECK_FAILURE(error_code::model_unsupported, token_reader(model.get(), 32, 1, stop));
        CHECK(read.find(traits.memory.name()) != std::string::npos);
    }
}
