#include "heal_convert.h"

#include "fields.h"

#include <algorithm>
#include <string>

namespace overfill {

namespace {

// --- options ---

sequence_options sequences_of(const fields & in) {
    const std::string mode = in.text("mode");
    sequence_options out;
    out.mode = mode == "overfill" ? train_mode::overfill : mode == "sft" ? train_mode::sft : train_mode::full;
    out.prompt_ratio = in.number("promptRatio");
    out.random_cutoff = in.number("randomCutoff");
    out.refresh_interval = in.size("refreshInterval");
    return out;
}

learning_rate rate_of(const fields & in) {
    const std::string schedule = in.text("schedule");
    learning_rate out;
    out.peak = in.number("learningRate");
    out.schedule = schedule == "constant" ? rate_schedule::constant
                   : schedule == "linear" ? rate_schedule::linear
                                          : rate_schedule::cosine;
    out.warm_up = in.number("warmUp");
    out.floor = in.number("rateFloor");
    return out;
}

adamw_options adam_of(const fields & in) {
    adamw_options out;
    out.beta1 = in.number("beta1");
    out.beta2 = in.number("beta2");
    out.epsilon = in.number("epsilon");
    out.decay = in.number("weightDecay");
    return out;
}

}  // namespace

heal_options to_heal_options(const Napi::Object & from) {
    const fields in(from);
    heal_options out;
    out.full = in.model("full");
    out.student = in.model("student");
    const std::string side = in.text("train");
    out.side = side == "reader" ? train_side::reader : side == "both" ? train_side::both : train_side::writer;
    out.data_path = in.text("data");
    out.eval_path = in.text("evalData");
    out.out_path = in.text("out");
    out.reader_out_path = in.text("readerOut");
    out.type = in.text("type");
    out.checkpoint_path = in.text("checkpoint");
    out.resume = in.flag("resume");
    out.log_path = in.text("log");
    out.translator_path = in.text("translator");
    out.train_translator = in.flag("trainTranslator");
    out.translator_out_path = in.text("translatorOut");
    out.translator_type = in.text("translatorType");
    out.sequences = sequences_of(in);
    out.distil = { in.real("distilShare"), in.real("distilTemperature") };
    out.lora = { in.size("loraRank"), in.real("loraAlpha"), in.texts("loraTargets") };
    out.reader_lora = { in.size("readerLoraRank"), in.real("readerLoraAlpha"), in.texts("readerLoraTargets") };
    out.freeze = in.texts("freeze");
    out.context_size = in.size("contextSize");
    out.batch_size = in.size("batchSize");
    out.limits.n_tokens = in.size("microBatchTokens");
    out.epochs = in.number("epochs");
    out.max_steps = in.count("maxSteps");
    out.rate = rate_of(in);
    out.adam = adam_of(in);
    out.clip = in.number("clip");
    out.seed = in.count("seed");
    out.shuffle_window = in.count("shuffleWindow");
    out.max_bad_lines = in.count("maxBadLines");
    out.eval_interval = in.count("evalInterval");
    out.patience = in.size("patience");
    out.max_eval_examples = in.count("maxEvalExamples");
    out.checkpoint_interval = in.count("checkpointInterval");
    out.n_threads = in.integer("threads");
    return out;
}

new_model_options to_new_model_options(const Napi::Object & from) {
    const fields in(from);
    new_model_options out;
    out.out_path = in.text("out");
    out.tokenizer_path = in.text("tokenizer");
    out.name = in.text("name");
    out.n_embd = in.size("hiddenSize");
    out.n_ff = in.size("feedForwardSize");
    out.n_layer = in.size("layers");
    out.n_head = in.size("heads");
    out.n_head_kv = in.size("kvHeads");
    out.head_size = in.size("headSize");
    out.context_size = in.size("contextSize");
    out.rope_base = in.real("ropeBase");
    out.norm_eps = in.real("normEpsilon");
    out.tied_output = in.flag("tiedOutput");
    out.type = in.text("type");
    out.seed = in.count("seed");
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
    out.Set("readerPath", result.reader_path);
    out.Set("readerSizeBytes", (double) result.n_reader_bytes);
    out.Set("translatorPath", result.translator_path);
    out.Set("translatorSizeBytes", (double) result.n_translator_bytes);
    out.Set("tokensPerSecond", result.tokens_per_second);
    out.Set("ms", result.milliseconds);
    return out;
}

Napi::Value from_heal_estimate(Napi::Env env, const heal_estimate & estimate) {
    Napi::Object out = Napi::Object::New(env);
    out.Set("trainedParameters", (double) estimate.n_parameters);
    out.Set("steps", (double) estimate.n_steps);
    out.Set("weightBytes", (double) estimate.weight_bytes);
    out.Set("optimiserBytes", (double) estimate.optimiser_bytes);
    out.Set("activationBytes", (double) estimate.activation_bytes);
    out.Set("fullBytes", (double) estimate.full_bytes);
    out.Set("tokensPerSecond", estimate.tokens_per_second);
    out.Set("msPerStep", estimate.milliseconds_per_step);
    return out;
}

Napi::Value from_new_model_result(Napi::Env env, const new_model_result & result) {
    Napi::Object out = Napi::Object::New(env);
    out.Set("parameters", (double) result.n_parameters);
    out.Set("sizeBytes", (double) result.n_file_bytes);
    return out;
}

}  // namespace overfill
