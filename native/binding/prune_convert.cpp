#include "prune_convert.h"

#include "fields.h"

#include <algorithm>
#include <cmath>
#include <string>

namespace overfill {

namespace {

// --- options ---

size_wish wish_of(const fields & in) {
    const std::string kind = in.text("kind");
    return { kind == "ratio"   ? size_wish::kind::ratio
             : kind == "count" ? size_wish::kind::count
                               : size_wish::kind::all,
             in.number("value") };
}

calibrate_options calibration_of(const fields & in, int32_t n_threads) {
    calibrate_options out;
    out.window = in.size("window");
    out.windows_per_batch = in.size("windowsPerBatch");
    out.max_samples = in.count("maxSamples");
    out.n_threads = n_threads;
    return out;
}

rewrite_options output_of(const fields & in, int32_t n_threads) {
    rewrite_options out;
    out.out_path = in.text("out");
    out.type = in.text("type");
    out.compensate = in.flag("compensate");
    out.max_part_bytes = in.count("maxPartBytes");
    out.name = in.text("name");
    out.n_threads = n_threads;
    return out;
}

prune_request request_of(const fields & in) {
    prune_request out;
    out.hidden = wish_of(in.object("hidden"));
    out.ffn = wish_of(in.object("ffn"));
    out.heads = wish_of(in.object("heads"));
    out.kv_heads = wish_of(in.object("kvHeads"));
    out.layers = wish_of(in.object("layers"));
    out.layer_rule = in.text("layerRule");
    // A negative number becomes one that no model has.
    const std::vector<int32_t> list = in.integers("layerList");
    out.layer_list.assign(list.begin(), list.end());
    out.target_params = in.count("targetParameters");
    out.target_bytes = in.count("targetBytes");
    out.multiple = in.size("multiple");
    out.mean = in.text("mean") == "absolute" ? activation_mean::absolute_values : activation_mean::signed_values;
    out.hidden_by_layer = in.flag("hiddenByLayer");
    out.common_ffn = in.flag("commonFfn");
    const std::string order = in.text("order");
    out.order = order == "random"        ? selection_order::random
                : order == "unimportant" ? selection_order::unimportant
                                         : selection_order::important;
    out.seed = in.size("seed");
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
    const fields in(from);
    const auto n_threads = in.integer("threads");
    prune_options out;
    out.model = in.model("model");
    out.text_path = in.text("text");
    out.importance_path = in.text("importance");
    out.save_importance = in.text("saveImportance");
    out.request = request_of(in);
    out.output = output_of(in.object("output"), n_threads);
    out.calibration = calibration_of(in.object("calibration"), n_threads);
    out.measure = in.flag("measure");
    out.again = in.flag("again");
    return out;
}

importance_options to_importance_options(const Napi::Object & from) {
    const fields in(from);
    importance_options out;
    out.model = in.model("model");
    out.text_paths = in.texts("texts");
    out.merge_paths = in.texts("merge");
    out.out_path = in.text("out");
    out.calibration = calibration_of(in.object("calibration"), in.integer("threads"));
    return out;
}

pad_options to_pad_options(const Napi::Object & from) {
    const fields in(from);
    pad_options out;
    out.model_path = in.text("model");
    out.multiple = in.size("multiple");
    out.output = output_of(in.object("output"), in.integer("threads"));
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
