#include "pair_plan.h"

#include "failure.h"
#include "memory_comparison.h"
#include "plan_comparison.h"
#include "vocabulary.h"

#include <algorithm>

namespace overfill {

const char * handover_kind_name(handover_kind kind) {
    switch (kind) {
    case handover_kind::share: return "share";
    case handover_kind::translate: return "translate";
    case handover_kind::impossible: return "impossible";
    }
    return "impossible";
}

namespace {

// Whether positions are encoded the same way: K is stored after RoPE. A difference is undone and done again, where
// every token has one position.
void compare_rope(plan_comparison & compare, const model_traits & a, const model_traits & b, bool served) {
    compare.field("ropeType", std::string(rope_type_name(a.rope_type)), std::string(rope_type_name(b.rope_type)),
                  served, "the RoPE layouts differ");
    compare.field("ropeScaling", std::string(rope_scaling_name(a.rope_scaling_type)),
                  std::string(rope_scaling_name(b.rope_scaling_type)), served, "the RoPE scalings differ");
    const bool scaled =
        a.rope_scaling_type == LLAMA_ROPE_SCALING_TYPE_YARN || a.rope_scaling_type == LLAMA_ROPE_SCALING_TYPE_LONGROPE;
    if (scaled)
        compare.field("ropeOriginalContext", a.rope_original_context, b.rope_original_context, served,
                      "the original context sizes of the RoPE scaling differ");
    compare.field("ropeAttentionFactor", a.rope_attention_factor, b.rope_attention_factor, served,
                  "the RoPE attention factors differ");
    compare.field("yarnParameters",
                  std::vector<float>{ a.yarn_ext_factor, a.yarn_attn_factor, a.yarn_beta_fast, a.yarn_beta_slow,
                                      a.yarn_log_factor },
                  std::vector<float>{ b.yarn_ext_factor, b.yarn_attn_factor, b.yarn_beta_fast, b.yarn_beta_slow,
                                      b.yarn_log_factor },
                  served, "the YaRN parameters differ");
    compare.field("ropeSections", a.rope_sections, b.rope_sections, served, "the RoPE sections differ");
    compare.field("ropeFactors", a.rope_factors, b.rope_factors, served, "the RoPE frequency factors differ");
}

bool one_position(int rope_type) {
    return rope_type == LLAMA_ROPE_TYPE_NONE || rope_type == LLAMA_ROPE_TYPE_NORM || rope_type == LLAMA_ROPE_TYPE_NEOX;
}

// The layers of the prefill model in the order in which the decode model's layers use them.
std::vector<layer_traits> mapped_layers(const model_traits & a, const std::vector<int32_t> & map) {
    if (map.empty()) return a.layers;
    std::vector<layer_traits> out;
    for (const int32_t layer : map) out.push_back(a.layers.at((size_t) layer));
    return out;
}

// One reason a field, naming the first layer in which it differs. Layers that have neither K nor V count only if the
// field says so.
template <class T>
void compare_layers(plan_comparison & compare, const std::vector<layer_traits> & a, const std::vector<layer_traits> & b,
                    const char * name, T layer_traits::*member, bool served, const char * what, bool any_layer) {
    for (size_t il = 0; il < b.size(); il++) {
        const T &va = a[il].*member, &vb = b[il].*member;
        if (va == vb || (!any_layer && a[il].kv_layer < 0 && b[il].kv_layer < 0)) continue;
        compare.field(name, va, vb, served, std::string(what) + " differ in layer " + std::to_string(il));
        return;
    }
}

bool has_kv(const model_traits & model) {
    return std::any_of(model.layers.begin(), model.layers.end(),
                       [](const layer_traits & layer) { return layer.kv_layer >= 0; });
}

bool uses_kv_again(const model_traits & model) {
    for (size_t il = 0; il < model.layers.size(); il++)
        if (model.layers[il].kv_layer >= 0 && model.layers[il].kv_layer != (int32_t) il) return true;
    return false;
}

bool is_identity(const std::vector<int32_t> & map, size_t n_layer) {
    for (size_t il = 0; il < map.size(); il++)
        if (map[il] != (int32_t) il) return false;
    return map.size() == n_layer;
}

// Layers that use one layer's cells would each write their own K and V there.
void compare_layer_map(plan_comparison & compare, const std::vector<int32_t> & map) {
    for (size_t il = 0; il < map.size(); il++) {
        const size_t first = (size_t) (std::find(map.begin(), map.end(), map[il]) - map.begin());
        if (first == il) continue;
        const std::string both = std::to_string(first) + " and " + std::to_string(il);
        compare.add({ "layers", std::to_string(map[il]), both, handover_kind::translate,
                      "two layers of the decode model use one layer of the prefill model" });
        return;
    }
}

bool every_layer(const std::vector<std::shared_ptr<const linear_map>> & maps, size_t n_layer) {
    return maps.size() >= n_layer && std::all_of(maps.begin(), maps.end(), [](const auto & map) { return !!map; });
}

// The differences that a translation deals with.
struct served_differences {
    bool maps_k, maps_v, rope;
};

// Layer by layer, in the order of the plan's layer map.
void compare_all_layers(plan_comparison & compare, const pair_plan & plan, const model_traits & a,
                        const model_traits & b, const served_differences & served) {
    const std::vector<layer_traits> from = mapped_layers(a, plan.layer_map);
    const auto field = [&](const char * name, auto member, bool is_served, const char * what, bool any_layer = false) {
        compare_layers(compare, from, b.layers, name, member, is_served, what, any_layer);
    };
    field("headsKv", &layer_traits::n_head_kv, served.maps_k && served.maps_v, "the numbers of KV heads", true);
    field("headSizeK", &layer_traits::head_size_k, served.maps_k, "the head sizes of K");
    field("headSizeV", &layer_traits::head_size_v, served.maps_v, "the head sizes of V");
    field("latentWidth", &layer_traits::latent_width, false, "the widths of latent K");
    field("slidingLayers", &layer_traits::sliding, true, "the sliding-window patterns");
    field("ropeLayers", &layer_traits::rope, served.rope, "the layers with RoPE");
    field("ropeDimensions", &layer_traits::n_rot, served.rope, "the rotated dimensions");
    field("ropeBase", &layer_traits::rope_base, served.rope, "the RoPE bases");
    field("ropeScale", &layer_traits::rope_scale, served.rope, "the RoPE scales");
    if (!plan.layer_map.empty()) {
        if (uses_kv_again(a) || uses_kv_again(b))
            compare.field("kvLayers", std::string("as they are"), std::string("mapped"), true,
                          "layers that use another layer's K and V cannot be shared through a layer map");
        return;
    }
    if (!compare.named("headsKv"))
        field("kvLayers", &layer_traits::kv_layer, true, "the layers whose K and V are used again");
    if (!plan.only_shared.empty()) compare_memories(compare, a.memory, b.memory);
}

void compare_storage(plan_comparison & compare, const cache_traits & a, const cache_traits & b) {
    compare.field("cacheTypeK", std::string(ggml_type_name(a.type_k)), std::string(ggml_type_name(b.type_k)), true,
                  "the cache types of K differ");
    compare.field("cacheTypeV", std::string(ggml_type_name(a.type_v)), std::string(ggml_type_name(b.type_v)), true,
                  "the cache types of V differ");
    compare.field("vTransposed", a.v_transposed, b.v_transposed, true,
                  "V is stored transposed on one side only (flash attention off)");
}

// The models may be alike; what was asked for stands in the way.
void refuse_translator(plan_comparison & compare, pair_plan & plan, const translator & translator) {
    const auto refuse = [&](const char * field, const char * asked, const std::string & what) {
        compare.add({ field, "as it is", asked, handover_kind::translate, what + " is for K and V of single tokens",
                      /*served*/ false });
    };
    if (!plan.layer_map.empty()) refuse("layerMap", "mapped", "a layer map");
    if (translator.has_maps()) refuse("translator", "mapped", "a translator");
    plan.layer_map.clear();
}

}  // namespace

pair_plan plan_pair(const model_traits & a, const llama_vocab * vocab_a, const cache_traits & cache_a,
                    const model_traits & b, const llama_vocab * vocab_b, const cache_traits & cache_b,
                    const translator & translator) {
    pair_plan plan;
    plan_comparison compare(plan);
    const handover_kind never = handover_kind::impossible;
    for (const model_traits * model : { &b, &a })
        if (!model->memory.can_be_translated()) plan.only_shared = model->memory.name();

    const bool maps_k = every_layer(translator.k, b.n_layer), maps_v = every_layer(translator.v, b.n_layer);
    if (a.family != b.family)
        compare.field("architecture", a.architecture, b.architecture, maps_k && maps_v, "the architectures differ");
    const vocabulary_difference vocabulary = compare_vocabularies(vocab_a, vocab_b);
    if (!vocabulary.equal)
        compare.add({ "vocabulary", vocabulary.prefill, vocabulary.decode, never, vocabulary.message });

    const std::string memory_a = a.memory.name(), memory_b = b.memory.name();
    if (!plan.only_shared.empty() && (memory_a != memory_b || a.memory.form == memory_form::unknown)) {
        compare.add({ "memory", memory_a, memory_b, never, "the models keep different memories" });
        return plan;
    }

    // K that is mapped as it is stored needs no word about RoPE.
    const bool rope = (one_position(a.rope_type) && one_position(b.rope_type)) || (maps_k && !translator.before_rope);
    if (!is_identity(translator.layers, a.n_layer)) plan.layer_map = translator.layers;
    if (plan.only_shared.empty())
        compare_layer_map(compare, plan.layer_map);
    else
        refuse_translator(compare, plan, translator);
    if (a.n_layer != b.n_layer && plan.layer_map.empty())
        compare.field("layers", a.n_layer, b.n_layer, false, "the numbers of layers differ and there is no layer map");
    else
        compare_all_layers(compare, plan, a, b, { maps_k, maps_v, rope });
    const bool keeps_kv = has_kv(a) || has_kv(b);
    if (keeps_kv) {
        compare.field("slidingWindow", a.sliding_window, b.sliding_window, true, "the sliding windows differ");
        compare_rope(compare, a, b, rope);
    }
    if (translator.has_maps() && plan.only_shared.empty())
        compare.field("translator", std::string("as it is"), std::string("mapped"), true,
                      "the translator has linear maps");
    if (keeps_kv) compare_storage(compare, cache_a, cache_b);
    compare.field("device", cache_a.device, cache_b.device, true, "the caches are on different devices");

    if (plan.kind != handover_kind::impossible) plan.notes = vocabulary_notes(vocab_a, vocab_b);
    return plan;
}

void check_handover(const pair_plan & plan, handover_choice choice) {
    const auto refuse = [&](error_code code, const std::string & why) {
        error_details details = { { "kind", handover_kind_name(plan.kind) } };
        for (const plan_reason & reason : plan.reasons)
            details.push_back({ reason.field, reason.prefill + " | " + reason.decode });
        throw failure(code, why, details);
    };
    const std::string only_shared =
        plan.only_shared.empty() ? "" : "; a memory of this kind (" + plan.only_shared + ") can only be shared";
    if (plan.kind == handover_kind::impossible)
        refuse(error_code::pair_incompatible, "the two models do not make a pair: " + summarize(plan) + only_shared);
    if (choice == handover_choice::translate && !only_shared.empty())
        refuse(error_code::handover_unavailable, "the pair's memory cannot be translated" + only_shared);
    if (choice == handover_choice::share && plan.kind != handover_kind::share)
        refuse(error_code::handover_unavailable,
               "the pair cannot share its KV cache: " + summarize(plan) + only_shared);
    if (plan.kind == handover_kind::translate && !only_shared.empty())
        refuse(error_code::handover_unavailable,
               "the pair's memory cannot be translated: " + summarize(plan) + only_shared);
    if (plan.kind == handover_kind::translate && !plan.available)
        refuse(error_code::handover_unavailable,
               "the KV cache of this pair can be translated only with a translator (`overfill fit` makes one): " +
                   summarize(plan, true));
}

void check_supported(const model_traits & model, const std::string & path) {
    const auto refuse = [&](const std::string & why) {
        throw failure(error_code::model_unsupported, path + ": " + why,
                      { { "path", path }, { "architecture", model.architecture } });
    };
    if (model.diffusion) refuse("a diffusion model (" + model.architecture + ") does not write token by token");
    if (model.draft) refuse("a draft head (" + model.architecture + ") does not write text without its model");
    if (model.encoder || !model.causal) refuse("an encoder (" + model.architecture + ") does not generate text");
    if (model.architecture == "wavtokenizer-dec")
        refuse("an audio decoder (" + model.architecture + ") does not generate text");
    if (model.embedding) refuse("an embedding model (" + model.architecture + ") does not generate text");
    if (model.memory.form == memory_form::none || model.memory.form == memory_form::unknown)
        refuse("the " + model.architecture + " architecture keeps " +
               (model.memory.form == memory_form::none ? "no memory" : model.memory.name()) + " to go on from");
}

void check_plain_kv(const model_traits & model, const std::string & path, const std::string & what) {
    if (model.memory.can_be_translated()) return;
    throw failure(error_code::model_unsupported,
                  path + ": " + what + ", and the " + model.architecture +
                      " architecture keeps another memory: " + model.memory.name(),
                  { { "path", path }, { "architecture", model.architecture }, { "memory", model.memory.name() } });
}

std::string summarize(const pair_plan & plan, bool unserved_only) {
    std::string text;
    for (const plan_reason & reason : plan.reasons)
        if (!unserved_only || !reason.served)
            text += (text.empty() ? "" : "; ") + reason.message + " (" + reason.prefill + " and " + reason.decode + ")";
    return text.empty() ? "the caches are alike" : text;
}

}  // namespace overfill
