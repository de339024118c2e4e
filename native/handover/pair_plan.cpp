#include "pair_plan.h"

#include "failure.h"
#include "vocabulary.h"

#include <algorithm>
#include <sstream>

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

template <class T> std::string text_of(const T & value) {
    std::ostringstream out;
    out << value;
    return out.str();
}

std::string text_of(bool value) { return value ? "yes" : "no"; }

template <class T> std::string text_of(const std::vector<T> & values) {
    std::ostringstream out;
    const size_t shown = std::min<size_t>(values.size(), 4);
    for (size_t i = 0; i < shown; i++) out << (i ? ", " : "") << values[i];
    if (values.size() > shown) out << ", ... (" << values.size() << ")";
    return values.empty() ? "none" : out.str();
}

// Collects differences; what a difference leads to is the worst of them.
class comparison {
  public:
    explicit comparison(pair_plan & plan) : plan_(plan) {}

    // A difference that a translation deals with, if `served`.
    template <class T>
    void field(const char * name, const T & prefill, const T & decode, bool served, const std::string & message) {
        if (prefill == decode) return;
        add({ name, text_of(prefill), text_of(decode), handover_kind::translate, message, served });
    }

    void add(plan_reason reason) {
        if (reason.leads_to == handover_kind::impossible) {
            plan_.kind = handover_kind::impossible;
            reason.served = false;
        } else if (plan_.kind == handover_kind::share) {
            plan_.kind = handover_kind::translate;
        }
        plan_.available = plan_.available && reason.served;
        plan_.reasons.push_back(std::move(reason));
    }

  private:
    pair_plan & plan_;
};

// Whether positions are encoded the same way: K is stored after RoPE. A difference is undone and done again, where
// every token has one position.
void compare_rope(comparison & compare, const model_traits & a, const model_traits & b, bool served) {
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
                  std::vector<float>{ a.yarn_ext_factor, a.yarn_attn_factor, a.yarn_beta_fast, a.yarn_beta_slow },
                  std::vector<float>{ b.yarn_ext_factor, b.yarn_attn_factor, b.yarn_beta_fast, b.yarn_beta_slow },
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

// One reason a field, naming the first layer in which it differs.
template <class T>
void compare_layers(comparison & compare, const std::vector<layer_traits> & a, const std::vector<layer_traits> & b,
                    const char * name, T layer_traits::*member, bool served, const char * what) {
    for (size_t il = 0; il < b.size(); il++) {
        const T &va = a[il].*member, &vb = b[il].*member;
        if (va == vb) continue;
        compare.field(name, va, vb, served, std::string(what) + " differ in layer " + std::to_string(il));
        return;
    }
}

bool every_layer(const std::vector<std::shared_ptr<const linear_map>> & maps, size_t n_layer) {
    return maps.size() >= n_layer && std::all_of(maps.begin(), maps.end(), [](const auto & map) { return !!map; });
}

}  // namespace

pair_plan plan_pair(const model_traits & a, const llama_vocab * vocab_a, const cache_traits & cache_a,
                    const model_traits & b, const llama_vocab * vocab_b, const cache_traits & cache_b,
                    const translator & translator) {
    pair_plan plan;
    comparison compare(plan);
    const handover_kind never = handover_kind::impossible;

    for (const model_traits * model : { &a, &b }) {
        const std::string which = model == &a ? "the prefill model " : "the decode model ";
        const auto refuse = [&](const char * field, const std::string & why) {
            compare.add({ field, model == &a ? "yes" : "no", model == &b ? "yes" : "no", never, which + why });
        };
        (void) refuse;
    }

    const bool maps_k = every_layer(translator.k, b.n_layer), maps_v = every_layer(translator.v, b.n_layer);
    if (a.family != b.family)
        compare.field("architecture", a.architecture, b.architecture, maps_k && maps_v, "the architectures differ");
    const vocabulary_difference vocabulary = compare_vocabularies(vocab_a, vocab_b);
    if (!vocabulary.equal)
        compare.add({ "vocabulary", vocabulary.prefill, vocabulary.decode, never, vocabulary.message });

    // K that is mapped as it is stored needs no word about RoPE.
    const bool rope = (one_position(a.rope_type) && one_position(b.rope_type)) || (maps_k && !translator.before_rope);
    if (a.n_layer != b.n_layer && translator.layers.empty()) {
        compare.field("layers", a.n_layer, b.n_layer, false, "the numbers of layers differ and there is no layer map");
    } else {
        plan.layer_map = translator.layers;
        const std::vector<layer_traits> from = mapped_layers(a, translator.layers);
        const auto field = [&](const char * name, auto member, bool served, const char * what) {
            compare_layers(compare, from, b.layers, name, member, served, what);
        };
        field("headsKv", &layer_traits::n_head_kv, maps_k && maps_v, "the numbers of KV heads");
        field("headSizeK", &layer_traits::head_size_k, maps_k, "the head sizes of K");
        field("headSizeV", &layer_traits::head_size_v, maps_v, "the head sizes of V");
        field("slidingLayers", &layer_traits::sliding, true, "the sliding-window patterns");
        field("ropeLayers", &layer_traits::rope, rope, "the layers with RoPE");
        field("ropeDimensions", &layer_traits::n_rot, rope, "the rotated dimensions");
        field("ropeBase", &layer_traits::rope_base, rope, "the RoPE bases");
        field("ropeScale", &layer_traits::rope_scale, rope, "the RoPE scales");
    }
    compare.field("slidingWindow", a.sliding_window, b.sliding_window, true, "the sliding windows differ");
    compare_rope(compare, a, b, rope);
    if (translator.has_maps())
        compare.field("translator", std::string("as it is"), std::string("mapped"), true,
                      "the translator has linear maps");

    compare.field("cacheTypeK", std::string(ggml_type_name(cache_a.type_k)),
                  std::string(ggml_type_name(cache_b.type_k)), true, "the cache types of K differ");
    compare.field("cacheTypeV", std::string(ggml_type_name(cache_a.type_v)),
                  std::string(ggml_type_name(cache_b.type_v)), true, "the cache types of V differ");
    compare.field("vTransposed", cache_a.v_transposed, cache_b.v_transposed, true,
                  "V is stored transposed on one side only (flash attention off)");
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
    if (plan.kind == handover_kind::impossible)
        refuse(error_code::pair_incompatible, "the two models do not make a pair: " + summarize(plan));
    if (choice == handover_choice::share && plan.kind != handover_kind::share)
        refuse(error_code::handover_unavailable, "the pair cannot share its KV cache: " + summarize(plan));
    if (plan.kind == handover_kind::translate && !plan.available)
        refuse(error_code::handover_unavailable,
               "the KV cache of this pair can be translated only with a translator (`overfill fit` makes one): " +
                   summarize(plan, true));
}

uint64_t kv_bytes_per_token(const model_traits & model, const cache_traits & cache) {
    uint64_t n = 0;
    for (const layer_traits & layer : model.layers)
        n += ggml_row_size(cache.type_k, (int64_t) layer.n_head_kv * layer.head_size_k) +
             ggml_row_size(cache.type_v, (int64_t) layer.n_head_kv * layer.head_size_v);
    return n;
}

void check_supported(const model_traits & model, const std::string & path) {
    const auto refuse = [&](const std::string & why) {
        throw failure(error_code::model_unsupported, path + ": " + why,
                      { { "path", path }, { "architecture", model.architecture } });
    };
    if (model.diffusion) refuse("a diffusion model (" + model.architecture + ") does not write token by token");
    if (model.encoder || !model.causal) refuse("an encoder (" + model.architecture + ") does not generate text");
    if (model.architecture == "wavtokenizer-dec")
        refuse("an audio decoder (" + model.architecture + ") does not generate text");
    // Its graph always writes over logits, and llama.cpp ends the process where a batch asks for none.
    if (model.architecture == "chameleon")
        refuse("llama.cpp cannot read a prompt in pieces with the " + model.architecture + " architecture");
    if (model.embedding) refuse("an embedding model (" + model.architecture + ") does not generate text");
}

std::string summarize(const pair_plan & plan, bool unserved_only) {
    std::string text;
    for (const plan_reason & reason : plan.reasons)
        if (!unserved_only || !reason.served)
            text += (text.empty() ? "" : "; ") + reason.message + " (" + reason.prefill + " and " + reason.decode + ")";
    return text.empty() ? "the caches are alike" : text;
}

}  // namespace overfill
