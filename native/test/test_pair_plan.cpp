// The plan: one field is changed at a time, and the plan must name it and draw the right conclusion.
#include "check.h"
#include "engine_driver.h"
#include "models.h"
#include "pair.h"
#include "pair_plan.h"
#include "tiny_model.h"

using namespace overfill;
using namespace overfill::test;

namespace {

pair_plan plan_of(const tiny_model & prefill, const tiny_model & decode, load_depth depth = load_depth::weights) {
    const model_path a(prefill), b(decode);
    pair_options options = options_for(a.str(), b.str());
    return load_and_compare(options, depth, [](float) { return true; }).plan;
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
    CHECK(info.plan.one_model);
    pair_options options = options_for(a.str());
    options.handover = handover_choice::share;
    load(options, &info);
    CHECK(info.plan.one_model);
}
