#include "heal_convert.h"

#include <algorithm>
#include <string>

namespace overfill {

namespace {

// --- options ---

std::string text_of(const Napi::Object & in, const char * name) { return in.Get(name).As<Napi::String>().Utf8Value(); }
double number_of(const Napi::Object & in, const char * name) { return in.Get(name).As<Napi::Number>().DoubleValue(); }
uint32_t size_of(const Napi::Object & in, const char * name) { return (uint32_t) number_of(in, name); }
uint64_t count_of(const Napi::Object & in, const char * name) { return (uint64_t) number_of(in, name); }
bool flag_of(const Napi::Object & in, const char * name) { return in.Get(name).As<Napi::Boolean>().Value(); }

std::vector<std::string> texts_of(const Napi::Object & in, const char * name) {
    const auto texts = in.Get(name).As<Napi::Array>();
    std::vector<std::string> out;
    for (uint32_t i = 0; i < texts.Length(); i++) out.push_back(texts.Get(i).As<Napi::String>().Utf8Value());
    return out;
}

// Undefined: none.
model_options model_of(const Napi::Object & in, const char * name) {
    if (in.Get(name).IsUndefined()) return {};
    const auto model = in.Get(name).As<Napi::Object>();
    return { text_of(model, "path"), (int32_t) number_of(model, "gpuLayers") };
}

sequence_options sequences_of(const Napi::Object & in) {
    const std::string mode = text_of(in, "mode");
    sequence_options out;
    out.mode = mode == "overfill" ? train_mode::overfill : mode == "sft" ? train_mode::sft : train_mode::full;
    out.prompt_ratio = number_of(in, "promptRatio");
    out.random_cutoff = number_of(in, "randomCutoff");
    out.refresh_interval = size_of(in, "refreshInterval");
    return out;
}

learning_rate rate_of(const Napi::Object & in) {
    const std::string schedule = text_of(in, "schedule");
    learning_rate out;
    out.peak = number_of(in, "learningRate");
    out.schedule = schedule == "constant" ? rate_schedule::constant
                   : schedule == "linear" ? rate_schedule::linear
                                          : rate_schedule::cosine;
    out.warm_up = number_of(in, "warmUp");
    out.floor = number_of(in, "rateFloor");
    return out;
}

adamw_options adam_of(const Napi::Object & in) {
    adamw_options out;
    out.beta1 = number_of(in, "beta1");
    out.beta2 = number_of(in, "beta2");
    out.epsilon = number_of(in, "epsilon");
    out.decay = number_of(in, "weightDecay");
    return out;
}

}  // namespace

heal_options to_heal_options(const Napi::Object & from) {
    heal_options out;
    out.full = model_of(from, "full");
    out.student = model_of(from, "student");
    out.data_path = text_of(from, "data");
    out.eval_path = text_of(from, "evalData");
    out.out_path = text_of(from, "out");
    out.type = text_of(from, "type");
    out.checkpoint_path = text_of(from, "checkpoint");
    out.resume = flag_of(from, "resume");
    out.log_path = text_of(from, "log");
    out.translator_path = text_of(from, "translator");
    out.train_translator = flag_of(from, "trainTranslator");
    out.translator_out_path = text_of(from, "translatorOut");
    out.translator_type = text_of(from, "translatorType");
    out.sequences = sequences_of(from);
    out.distil = { (float) number_of(from, "distilShare"), (float) number_of(from, "distilTemperature") };
    out.lora = { size_of(from, "loraRank"), (float) number_of(from, "loraAlpha"), texts_of(from, "loraTargets") };
    out.freeze = texts_of(from, "freeze");
    out.context_size = size_of(from, "contextSize");
    out.batch_size = size_of(from, "batchSize");
    out.limits.n_tokens = size_of(from, "microBatchTokens");
    out.epochs = number_of(from, "epochs");
    out.max_steps = count_of(from, "maxSteps");
    out.rate = rate_of(from);
    out.adam = adam_of(from);
    out.clip = number_of(from, "clip");
    out.seed = count_of(from, "seed");
    out.shuffle_window = count_of(from, "shuffleWindow");
    out.max_bad_lines = count_of(from, "maxBadLines");
    out.eval_interval = count_of(from, "evalInterval");
    out.patience = size_of(from, "patience");
    out.max_eval_examples = count_of(from, "maxEvalExamples");
    out.checkpoint_interval = count_of(from, "checkpointInterval");
    out.n_threads = (int32_t) number_of(from, "threads");
    return out;
}

new_model_options to_new_model_options(const Napi::Object & from) {
    new_model_options out;
    out.out_path = text_of(from, "out");
    out.tokenizer_path = text_of(from, "tokenizer");
    out.name = text_of(from, "name");
    out.n_embd = size_of(from, "hiddenSize");
    out.n_ff = size_of(from, "feedForwardSize");
    out.n_layer = size_of(from, "layers");
    out.n_head = size_of(from, "heads");
    out.n_head_kv = size_of(from, "kvHeads");
    out.head_size = size_of(from, "headSize");
    out.context_size = size_of(from, "contextSize");
    out.rope_base = (float) number_of(from, "ropeBase");
    out.norm_eps = (float) number_of(from, "normEpsilon");
    out.tied_output = flag_of(from, "tiedOutput");
    out.type = text_of(from, "type");
    out.seed = count_of(from, "seed");
    return out;
}

// --- events and results ---

Napi::Value from_heal_progress(Napi::Env env, const heal_progress & progress) {
    Napi::Object out = Napi::Object::New(env);
    out.Set("stage", (double) progress.stage);
    out.Set("fraction", progress.fraction);
    out.Set("step", (double) progress.step);
    out.Set("steps", (double) progress.n_steps);
    out.Set("loss", progress.loss);
    out.Set("learningRate", progress.learning_rate);
    out.Set("gradientNorm", progress.gradient_norm);
    out.Set("tokens", (double) progress.n_tokens);
    out.Set("tokensPerSecond", progress.tokens_per_second);
    return out;
}

Napi::Value from_bad_line(Napi::Env env, const bad_line & line) {
    Napi::Object out = Napi::Object::New(env);
    out.Set("path", line.path);
    out.Set("line", (double) line.number);
    out.Set("reason", line.reason);
    return out;
}

Napi::Value from_evaluation(Napi::Env env, const evaluation & measured) {
    Napi::Object out = Napi::Object::New(env);
    out.Set("step", (double) measured.step);
    out.Set("loss", measured.loss);
    return out;
}

template <class Value>
static Napi::Array from_list(Napi::Env env, const std::vector<Value> & values,
                             Napi::Value (*convert)(Napi::Env, const Value &)) {
    Napi::Array out = Napi::Array::New(env, values.size());
    for (size_t i = 0; i < values.size(); i++) out.Set((uint32_t) i, convert(env, values[i]));
    return out;
}

Napi::Value from_heal_result(Napi::Env env, const heal_result & result) {
    Napi::Float64Array losses = Napi::Float64Array::New(env, result.losses.size());
    std::copy(result.losses.begin(), result.losses.end(), losses.Data());

    Napi::Object out = Napi::Object::New(env);
    out.Set("reason", result.reason == heal_end::patience ? "patience" : "steps");
    out.Set("steps", (double) result.n_steps);
    out.Set("firstStep", (double) result.first_step);
    out.Set("examples", (double) result.n_examples);
    out.Set("tokens", (double) result.n_tokens);
    out.Set("trainedParameters", (double) result.n_parameters);
    out.Set("losses", losses);
    out.Set("evaluations", from_list(env, result.evaluations, from_evaluation));
    out.Set("badLines", from_list(env, result.bad_lines, from_bad_line));
    out.Set("path", result.path);
    out.Set("sizeBytes", (double) result.n_file_bytes);
    out.Set("translatorPath", result.translator_path);
    out.Set("translatorSizeBytes", (double) result.n_translator_bytes);
    out.Set("tokensPerSecond", result.tokens_per_second);
    out.Set("ms", result.milliseconds);
    return out;
}

Napi::Value from_new_model_result(Napi::Env env, const new_model_result & result) {
    Napi::Object out = Napi::Object::New(env);
    out.Set("parameters", (double) result.n_parameters);
    out.Set("sizeBytes", (double) result.n_file_bytes);
    return out;
}

}  // namespace overfill
