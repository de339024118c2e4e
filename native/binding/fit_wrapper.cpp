#include "fit_wrapper.h"

#include "fields.h"
#include "fit.h"
#include "job_wrapper.h"
#include "translator_file.h"

#include <algorithm>

namespace overfill {

// --- conversion ---

static fit_options to_fit_options(const fields & in) {
    fit_options out;
    out.prefill = in.model("prefill");
    out.decode = in.model("decode");
    out.text_path = in.text("text");
    out.out_path = in.text("out");
    out.layer_map = in.text("layerMap");
    out.layers = in.integers("layers");
    out.common_map = in.flag("commonMap");
    out.before_rope = in.flag("beforeRope");
    out.chunk_size = in.size("chunkSize");
    out.max_tokens = in.count("maxTokens");
    out.lambda = in.number("lambda");
    out.held_out = in.number("heldOut");
    const std::string type = in.text("weightType");
    out.weight_type = type == "f32" ? GGML_TYPE_F32 : type == "q8_0" ? GGML_TYPE_Q8_0 : GGML_TYPE_F16;
    out.n_threads = in.integer("threads");
    return out;
}

static Napi::Value from_map(Napi::Env env, const std::vector<std::shared_ptr<const linear_map>> & maps, size_t layer) {
    if (maps.empty() || !maps[layer]) return env.Undefined();
    Napi::Object out = Napi::Object::New(env);
    out.Set("inputs", maps[layer]->n_in);
    out.Set("outputs", maps[layer]->n_out);
    return out;
}

// A side of the translator: { name, fingerprint }.
static Napi::Value from_side(Napi::Env env, const std::string & name, const std::string & fingerprint) {
    Napi::Object out = Napi::Object::New(env);
    out.Set("name", name);
    out.Set("fingerprint", fingerprint);
    return out;
}

static Napi::Object from_translator(Napi::Env env, const translator & translator, uint64_t n_bytes,
                                    ggml_type weight_type) {
    Napi::Array layers = Napi::Array::New(env);
    const size_t n = std::max({ translator.layers.size(), translator.k.size(), translator.v.size() });
    bool common = translator.has_maps();
    for (size_t i = 0; i < n; i++) {
        Napi::Object layer = Napi::Object::New(env);
        layer.Set("source", translator.layers.empty() ? (double) i : (double) translator.layers[i]);
        layer.Set("k", from_map(env, translator.k, i));
        layer.Set("v", from_map(env, translator.v, i));
        const bool same = !translator.k.empty() && !translator.v.empty() && translator.k[i] == translator.v[i];
        common = common && same;
        if (!translator.error_k.empty()) layer.Set("errorK", translator.error_k[i]);
        if (!translator.error_v.empty()) layer.Set("errorV", translator.error_v[i]);
        layers.Set((uint32_t) i, layer);
    }
    Napi::Object loss = Napi::Object::New(env);
    loss.Set("alone", translator.loss.alone);
    loss.Set("unmapped", translator.loss.unmapped);
    loss.Set("mapped", translator.loss.mapped);

    Napi::Object out = Napi::Object::New(env);
    out.Set("source", from_side(env, translator.source_name, translator.source_fingerprint));
    out.Set("target", from_side(env, translator.target_name, translator.target_fingerprint));
    out.Set("maps", !translator.has_maps() ? "none" : common ? "common" : "separate");
    out.Set("beforeRope", translator.before_rope);
    out.Set("weightType", ggml_type_name(weight_type));
    out.Set("layers", layers);
    out.Set("loss", loss);
    out.Set("fitTokens", (double) translator.n_fit_tokens);
    out.Set("sizeBytes", (double) n_bytes);
    return out;
}

// --- calls ---

Napi::Value begin_fit(const Napi::CallbackInfo & info) {
    fit_options options = to_fit_options(fields(info[0]));
    const ggml_type weight_type = options.weight_type;
    return job_wrapper::begin<fit_result>(
        info.Env(), info[1].As<Napi::Function>(),
        [options = std::move(options)](const job_wrapper::report & report, const std::atomic<bool> & stop) {
            const auto on_progress = [&](const fit_progress & progress) {
                report({ (double) progress.stage, progress.fraction, (double) progress.n_tokens });
            };
            return fit(options, on_progress, stop);
        },
        [weight_type](Napi::Env env, const fit_result & result) -> Napi::Value {
            Napi::Object out = from_translator(env, result.translator, result.n_bytes, weight_type);
            out.Set("heldOutTokens", (double) result.n_held_out_tokens);
            out.Set("ms", result.milliseconds);
            return out;
        });
}

struct translator_reading {
    bool is_translator = false;
    overfill::translator translator;
    translator_file_info info;
};

Napi::Value inspect_translator(const Napi::CallbackInfo & info) {
    return job_wrapper::begin_quiet<translator_reading>(
        info.Env(),
        [path = info[0].As<Napi::String>().Utf8Value()](const std::atomic<bool> &) {
            translator_reading out;
            out.is_translator = is_translator_file(path);
            if (out.is_translator) out.translator = read_translator(path, &out.info);
            return out;
        },
        [](Napi::Env env, const translator_reading & read) -> Napi::Value {
            if (!read.is_translator) return env.Undefined();
            return from_translator(env, read.translator, read.info.n_bytes, read.info.weight_type);
        });
}

}  // namespace overfill
