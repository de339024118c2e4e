#include "quantize_wrapper.h"

#include "fields.h"
#include "job_wrapper.h"
#include "measure_matrix.h"
#include "quantize.h"

#include <string>
#include <vector>

namespace overfill {

// Both jobs have the same progress. The shapes of options and results are those of lib/internal/binding-quantize.ts.
template <class Result, class Options>
static Napi::Value begin(const Napi::CallbackInfo & info, Options options,
                         Result (*run)(const Options &, const std::function<void(const quantize_progress &)> &,
                                       const std::atomic<bool> &),
                         Napi::Value (*to_value)(Napi::Env, const Result &)) {
    return job_wrapper::begin<Result>(
        info.Env(), info[1].As<Napi::Function>(),
        [options = std::move(options), run](const job_wrapper::report & report, const std::atomic<bool> & stop) {
            const auto on_progress = [&](const quantize_progress & progress) {
                report({ (double) progress.stage, progress.fraction, (double) progress.n_tokens });
            };
            return run(options, on_progress, stop);
        },
        to_value);
}

static quantize_options to_quantize_options(const fields & in) {
    quantize_options out;
    out.model_path = in.text("model");
    out.out_path = in.text("out");
    out.type = in.text("type");
    out.importance_path = in.text("importance");
    for (const fields & rule : in.objects("tensorTypes"))
        out.tensor_types.push_back({ rule.text("pattern"), rule.text("type") });
    out.output_type = in.text("outputTensorType");
    out.embedding_type = in.text("tokenEmbeddingType");
    out.keep_output = in.flag("keepOutputTensor");
    out.pure = in.flag("pure");
    out.allow_requantize = in.flag("allowRequantize");
    out.max_part_bytes = in.count("maxPartBytes");
    out.n_threads = in.integer("threads");
    return out;
}

static matrix_options to_matrix_options(const fields & in) {
    matrix_options out;
    out.model = in.model("model");
    out.text_paths = in.texts("texts");
    out.merge_paths = in.texts("merge");
    out.out_path = in.text("out");
    out.window = in.size("window");
    out.max_samples = in.count("maxSamples");
    out.n_threads = in.integer("threads");
    return out;
}

static Napi::Array from_texts(Napi::Env env, const std::vector<std::string> & texts) {
    Napi::Array out = Napi::Array::New(env);
    for (const std::string & text : texts) out.Set(out.Length(), text);
    return out;
}

static Napi::Value from_quantize_result(Napi::Env env, const quantize_result & result) {
    Napi::Array tensors = Napi::Array::New(env);
    for (const quantize_result::tensor & tensor : result.tensors) {
        Napi::Object entry = Napi::Object::New(env);
        entry.Set("name", tensor.name);
        entry.Set("before", ggml_type_name(tensor.before));
        entry.Set("after", ggml_type_name(tensor.after));
        entry.Set("wished", tensor.wished ? ggml_type_name(*tensor.wished) : "");
        Napi::Array shape = Napi::Array::New(env);
        for (const int64_t n : tensor.ne) shape.Set(shape.Length(), (double) n);
        entry.Set("shape", shape);
        tensors.Set(tensors.Length(), entry);
    }
    Napi::Object out = Napi::Object::New(env);
    out.Set("paths", from_texts(env, result.paths));
    out.Set("type", result.type);
    out.Set("tensors", tensors);
    out.Set("parameters", (double) result.n_params);
    out.Set("bytesBefore", (double) result.n_bytes_before);
    out.Set("bytesAfter", (double) result.n_bytes_after);
    out.Set("weighted", (double) result.n_weighted);
    out.Set("ms", result.milliseconds);
    return out;
}

static Napi::Value from_matrix_result(Napi::Env env, const matrix_result & result) {
    Napi::Object out = Napi::Object::New(env);
    out.Set("texts", from_texts(env, result.measured.texts));
    out.Set("entries", (double) result.measured.entries.size());
    out.Set("samples", (double) result.measured.n_samples);
    out.Set("window", result.measured.window);
    out.Set("tokens", (double) result.n_tokens);
    size_t n_unseen = 0;
    for (const auto & [name, entry] : result.measured.entries)
        for (const double count : entry.counts) n_unseen += count == 0;
    out.Set("unseen", (double) n_unseen);
    return out;
}

Napi::Value begin_quantize(const Napi::CallbackInfo & info) {
    return begin(info, to_quantize_options(fields(info[0])), quantize, from_quantize_result);
}

Napi::Value begin_measure_matrix(const Napi::CallbackInfo & info) {
    return begin(info, to_matrix_options(fields(info[0])), measure_importance_matrix, from_matrix_result);
}

}  // namespace overfill
