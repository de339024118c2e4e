#include "prune_convert.h"

#include <cmath>
#include <string>

namespace overfill {

namespace {

// --- options ---

std::string text_of(const Napi::Object & in, const char * name) { return in.Get(name).As<Napi::String>().Utf8Value(); }
double number_of(const Napi::Object & in, const char * name) { return in.Get(name).As<Napi::Number>().DoubleValue(); }
bool flag_of(const Napi::Object & in, const char * name) { return in.Get(name).As<Napi::Boolean>().Value(); }
Napi::Object object_of(const Napi::Object & in, const char * name) { return in.Get(name).As<Napi::Object>(); }

std::vector<std::string> texts_of(const Napi::Object & in, const char * name) {
    const auto texts = in.Get(name).As<Napi::Array>();
    std::vector<std::string> out;
    for (uint32_t i = 0; i < texts.Length(); i++) out.push_back(texts.Get(i).As<Napi::String>().Utf8Value());
    return out;
}

model_options model_of(const Napi::Object & in) {
    return { text_of(in, "path"), (int32_t) number_of(in, "gpuLayers") };
}

size_wish wish_of(const Napi::Object & in) {
    const std::string kind = text_of(in, "kind");
    return { kind == "ratio"   ? size_wish::kind::ratio
             : kind == "count" ? size_wish::kind::count
                               : size_wish::kind::all,
             number_of(in, "value") };
}

calibrate_options calibration_of(const Napi::Object & in, int32_t n_threads) {
    calibrate_options out;
    out.window = (uint32_t) number_of(in, "window");
    out.windows_per_batch = (uint32_t) number_of(in, "windowsPerBatch");
    out.max_samples = (uint64_t) number_of(in, "maxSamples");
    out.n_threads = n_threads;
    return out;
}

rewrite_options output_of(const Napi::Object & in, int32_t n_threads) {
    rewrite_options out;
    out.out_path = text_of(in, "out");
    out.type = text_of(in, "type");
    out.compensate = flag_of(in, "compensate");
    out.max_part_bytes = (uint64_t) number_of(in, "maxPartBytes");
    out.name = text_of(in, "name");
    out.n_threads = n_threads;
    return out;
}

prune_request request_of(const Napi::Object & in) {
    prune_request out;
    out.hidden = wish_of(object_of(in, "hidden"));
    out.ffn = wish_of(object_of(in, "ffn"));
    out.heads = wish_of(object_of(in, "heads"));
    out.kv_heads = wish_of(object_of(in, "kvHeads"));
    out.layers = wish_of(object_of(in, "layers"));
    out.layer_rule = text_of(in, "layerRule");
    const auto list = in.Get("layerList").As<Napi::Int32Array>();
    // A negative number becomes one that no model has.
    out.layer_list.assign(list.Data(), list.Data() + list.ElementLength());
    out.target_params = (uint64_t) number_of(in, "targetParameters");
    out.target_bytes = (uint64_t) number_of(in, "targetBytes");
    out.multiple = (uint32_t) number_of(in, "multiple");
    out.mean = text_of(in, "mean") == "absolute" ? activation_mean::absolute_values : activation_mean::signed_values;
    out.hidden_by_layer = flag_of(in, "hiddenByLayer");
    out.common_ffn = flag_of(in, "commonFfn");
    const std::string order = text_of(in, "order");
    out.order = order == "random"        ? selection_order::random
                : order == "unimportant" ? selection_order::unimportant
                                         : selection_order::important;
    out.seed = (uint32_t) number_of(in, "seed");
    return out;
}

// --- results ---

Napi::Object from_sizes(Napi::Env env, const kept_counts & sizes) {
    Napi::Object out = Napi::Object::New(env);
    out.Set("hiddenSize", sizes.n_embd);
    out.Set("feedForwardSize", sizes.n_ff);
    out.Set("layers", sizes.n_layer);
    out.Set("heads", sizes.n_head);
    out.Set("kvHeads", sizes.n_head_kv);
    return out;
}

Napi::Object from_model(Napi::Env env, const kept_counts & sizes, uint64_t n_params, uint64_t n_bytes) {
    Napi::Object out = from_sizes(env, sizes);
    out.Set("parameters", (double) n_params);
    out.Set("sizeBytes", (double) n_bytes);
    return out;
}

Napi::Array from_texts(Napi::Env env, const std::vector<std::string> & texts) {
    Napi::Array out = Napi::Array::New(env);
    for (const std::string & text : texts) out.Set(out.Length(), text);
    return out;
}

Napi::Uint32Array from_indices(Napi::Env env, const std::vector<uint32_t> & indices) {
    Napi::Uint32Array out = Napi::Uint32Array::New(env, indices.size());
    std::copy(indices.begin(), indices.end(), out.Data());
    return out;
}

Napi::Array from_index_lists(Napi::Env env, const std::vector<std::vector<uint32_t>> & lists) {
    Napi::Array out = Napi::Array::New(env);
    for (const auto & list : lists) out.Set(out.Length(), from_indices(env, list));
    return out;
}

// One row of [rows][n] sums of squares, as L2 norms.
Napi::Float64Array from_squares(Napi::Env env, const std::vector<double> & sums, size_t row, size_t n) {
    Napi::Float64Array out = Napi::Float64Array::New(env, n);
    for (size_t i = 0; i < n; i++) out[i] = std::sqrt(sums[row * n + i]);
    return out;
}

Napi::Array from_layers(Napi::Env env, const std::vector<double> & sums, size_t n_layer, size_t n) {
    Napi::Array out = Napi::Array::New(env);
    for (size_t i = 0; i < n_layer; i++) out.Set(out.Length(), from_squares(env, sums, i, n));
    return out;
}

// { signed, absolute }, each as `make` makes it of its sums.
template <class Make>
Napi::Object from_means(Napi::Env env, const std::array<std::vector<double>, n_activation_means> & sums, Make && make) {
    Napi::Object out = Napi::Object::New(env);
    out.Set("signed", make(sums[(size_t) activation_mean::signed_values]));
    out.Set("absolute", make(sums[(size_t) activation_mean::absolute_values]));
    return out;
}

}  // namespace

prune_options to_prune_options(const Napi::Object & from) {
    const auto n_threads = (int32_t) number_of(from, "threads");
    prune_options out;
    out.model = model_of(object_of(from, "model"));
    out.text_path = text_of(from, "text");
    out.importance_path = text_of(from, "importance");
    out.save_importance = text_of(from, "saveImportance");
    out.request = request_of(from);
    out.output = output_of(object_of(from, "output"), n_threads);
    out.calibration = calibration_of(object_of(from, "calibration"), n_threads);
    out.measure = flag_of(from, "measure");
    return out;
}

importance_options to_importance_options(const Napi::Object & from) {
    importance_options out;
    out.model = model_of(object_of(from, "model"));
    out.text_paths = texts_of(from, "texts");
    out.merge_paths = texts_of(from, "merge");
    out.out_path = text_of(from, "out");
    out.calibration = calibration_of(object_of(from, "calibration"), (int32_t) number_of(from, "threads"));
    return out;
}

pad_options to_pad_options(const Napi::Object & from) {
    pad_options out;
    out.model_path = text_of(from, "model");
    out.multiple = (uint32_t) number_of(from, "multiple");
    out.output = output_of(object_of(from, "output"), (int32_t) number_of(from, "threads"));
    return out;
}

Napi::Value from_prune_result(Napi::Env env, const prune_result & result) {
    Napi::Object kept = Napi::Object::New(env);
    kept.Set("hidden", from_indices(env, result.kept.hidden));
    kept.Set("layers", from_indices(env, result.kept.layers));
    kept.Set("feedForward", from_index_lists(env, result.kept.ffn));
    kept.Set("heads", from_index_lists(env, result.kept.heads));
    kept.Set("kvHeads", from_index_lists(env, result.kept.kv_heads));

    Napi::Object out = Napi::Object::New(env);
    out.Set("paths", from_texts(env, result.paths));
    out.Set("type", result.type);
    out.Set("architectureBefore", result.architecture_before);
    out.Set("architectureAfter", result.architecture_after);
    out.Set("fingerprint", result.fingerprint);
    out.Set("before", from_model(env, counts_of(result.before), result.n_params_before, result.n_bytes_before));
    out.Set("after", from_model(env, result.after, result.n_params_after, result.n_bytes_after));
    out.Set("wished", from_sizes(env, result.wished));
    out.Set("multiple", result.multiple);
    out.Set("compensated", result.compensated);
    out.Set("kept", kept);
    out.Set("samples", (double) result.n_samples);
    out.Set("tokens", (double) result.n_tokens);
    out.Set("lossTokens", (double) result.n_loss_tokens);
    out.Set("lossBefore", result.loss_before.value_or(0));
    out.Set("lossAfter", result.loss_after.value_or(0));
    out.Set("calibrateMs", result.calibrate_ms);
    out.Set("writeMs", result.write_ms);
    out.Set("ms", result.total_ms);
    return out;
}

Napi::Value from_importance(Napi::Env env, const importance & measured) {
    const auto by_layer = [&](size_t n) {
        return [&, n](const std::vector<double> & sums) { return from_layers(env, sums, measured.n_layer, n); };
    };
    Napi::Float64Array influence = Napi::Float64Array::New(env, measured.n_layer);
    for (size_t i = 0; i < measured.n_layer; i++)
        influence[i] = measured.n_tokens > 0 ? measured.influence[i] / (double) measured.n_tokens : 0;

    Napi::Object out = Napi::Object::New(env);
    out.Set("fingerprint", measured.fingerprint);
    out.Set("name", measured.model_name);
    out.Set("architecture", measured.architecture);
    out.Set("text", measured.text_name);
    out.Set("window", measured.window);
    out.Set("samples", (double) measured.n_samples);
    out.Set("tokens", (double) measured.n_tokens);
    out.Set("loss", measured.n_scored > 0 ? measured.loss_sum / (double) measured.n_scored : 0);
    out.Set("hidden", from_means(env, measured.hidden, [&](const std::vector<double> & sums) {
                return from_squares(env, sums, 0, measured.n_embd);
            }));
    out.Set("hiddenByLayer", from_means(env, measured.hidden_layers, by_layer(measured.n_embd)));
    out.Set("feedForward", from_means(env, measured.ffn, by_layer(measured.n_ff)));
    out.Set("heads", from_layers(env, measured.heads, measured.n_layer, measured.n_head));
    out.Set("blockInfluence", influence);
    return out;
}

Napi::Value from_pad_result(Napi::Env env, const pad_result & result) {
    Napi::Object out = Napi::Object::New(env);
    out.Set("paths", from_texts(env, result.paths));
    out.Set("type", result.type);
    out.Set("before", from_model(env, counts_of(result.before), result.n_params_before, result.n_bytes_before));
    out.Set("after", from_model(env, result.after, result.n_params_after, result.n_bytes_after));
    out.Set("ms", result.milliseconds);
    return out;
}

Napi::Value from_architectures(Napi::Env env, const std::vector<architecture> & rows) {
    Napi::Array out = Napi::Array::New(env);
    for (const architecture & row : rows) {
        Napi::Object entry = Napi::Object::New(env);
        entry.Set("name", row.name);
        entry.Set("carrier", row.carrier ? row.carrier : "");
        entry.Set("square", row.square_attention && !row.carrier);
        out.Set(out.Length(), entry);
    }
    return out;
}

}  // namespace overfill
