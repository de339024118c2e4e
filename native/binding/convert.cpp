#include "convert.h"

#include "failure.h"
#include "fields.h"
#include "kernels_convert.h"
#include "memory_size.h"

#include <algorithm>

namespace overfill {

namespace {

ggml_type to_cache_type(const std::string & name) {
    for (const ggml_type type : { GGML_TYPE_F32, GGML_TYPE_F16, GGML_TYPE_BF16, GGML_TYPE_Q8_0, GGML_TYPE_Q5_1,
                                  GGML_TYPE_Q5_0, GGML_TYPE_Q4_1, GGML_TYPE_Q4_0, GGML_TYPE_IQ4_NL })
        if (name == ggml_type_name(type)) return type;
    throw failure(error_code::invalid_argument, "unknown cache type " + name);
}

Napi::Value from_model(Napi::Env env, const model_traits & m, const std::vector<adapter_facts> & adapters) {
    Napi::Object out = Napi::Object::New(env);
    const bool any = !m.layers.empty();
    out.Set("architecture", m.architecture);
    out.Set("name", m.name);
    out.Set("description", m.description);
    out.Set("parameters", (double) m.n_params);
    out.Set("sizeBytes", (double) m.n_bytes);
    out.Set("trainedContextSize", m.n_ctx_train);
    out.Set("hiddenSize", m.n_embd);
    out.Set("feedForwardSize", m.n_ff);
    out.Set("layers", m.n_layer);
    out.Set("heads", m.n_head);
    out.Set("kvHeads", m.n_head_kv);
    out.Set("headSizeK", any ? m.layers[0].head_size_k : 0);
    out.Set("headSizeV", any ? m.layers[0].head_size_v : 0);
    out.Set("vocabularySize", m.n_vocab);
    out.Set("slidingWindow", m.sliding_window);
    out.Set("memory", m.memory.name());
    out.Set("stateBytesPerSession", (double) state_bytes_per_session(m));
    // The base of the layers that attend to everything, where only some slide.
    double base = any ? m.layers[0].rope_base : 0;
    bool scaled = m.rope_scaling_type == LLAMA_ROPE_SCALING_TYPE_LONGROPE;
    for (const layer_traits & layer : m.layers) {
        if (!layer.sliding) base = layer.rope_base;
        scaled = scaled || layer.rope_scale != 1.0f;
    }
    out.Set("ropeBase", base);
    // llama.cpp calls an unscaled model "linear" with a factor of one.
    out.Set("ropeScaling", scaled ? rope_scaling_name(m.rope_scaling_type) : "none");
    Napi::Array list = Napi::Array::New(env, adapters.size());
    for (uint32_t i = 0; i < list.Length(); i++) {
        Napi::Object adapter = Napi::Object::New(env);
        adapter.Set("path", adapters[i].from.path);
        adapter.Set("scale", adapters[i].from.scale);
        adapter.Set("rank", adapters[i].rank);
        adapter.Set("alpha", adapters[i].alpha);
        list.Set(i, adapter);
    }
    out.Set("adapters", list);
    return out;
}

Napi::Value from_plan(Napi::Env env, const pair_plan & plan) {
    Napi::Array reasons = Napi::Array::New(env), notes = Napi::Array::New(env);
    for (const plan_reason & reason : plan.reasons) {
        Napi::Object r = Napi::Object::New(env);
        r.Set("field", reason.field);
        r.Set("prefill", reason.prefill);
        r.Set("decode", reason.decode);
        r.Set("leadsTo", handover_kind_name(reason.leads_to));
        r.Set("message", reason.message);
        r.Set("served", reason.served);
        reasons.Set(reasons.Length(), r);
    }
    for (const std::string & note : plan.notes) notes.Set(notes.Length(), note);
    Napi::Object out = Napi::Object::New(env);
    out.Set("kind", handover_kind_name(plan.kind));
    out.Set("available", plan.available && plan.kind != handover_kind::impossible);
    out.Set("oneModel", plan.one_model);
    out.Set("oneFile", plan.one_file);
    out.Set("reasons", reasons);
    out.Set("notes", notes);
    Napi::Array layer_map = Napi::Array::New(env);
    for (const int32_t layer : plan.layer_map) layer_map.Set(layer_map.Length(), layer);
    out.Set("layerMap", layer_map);
    return out;
}

flash_attention to_flash_attention(const std::string & name) {
    return name == "on" ? flash_attention::on : name == "off" ? flash_attention::off : flash_attention::automatic;
}

implementation_choice to_implementation(const std::string & name) {
    return name == "cpu"     ? implementation_choice::cpu
           : name == "graph" ? implementation_choice::graph
           : name == "cuda"  ? implementation_choice::cuda
           : name == "metal" ? implementation_choice::metal
                             : implementation_choice::automatic;
}

// "": as the prefill model's.
std::optional<ggml_type> to_own_cache_type(const std::string & name) {
    return name.empty() ? std::nullopt : std::optional(to_cache_type(name));
}

std::optional<flash_attention> to_own_flash_attention(const std::string & name) {
    return name.empty() ? std::nullopt : std::optional(to_flash_attention(name));
}

writer_options to_writer(const fields & in) {
    writer_options out;
    out.name = in.text("name");
    out.model = in.model("model");
    out.adapters = in.adapters("model");
    out.cache_type_k = to_own_cache_type(in.text("cacheTypeK"));
    out.cache_type_v = to_own_cache_type(in.text("cacheTypeV"));
    out.attention = to_own_flash_attention(in.text("flashAttention"));
    out.translator_path = in.text("translatorPath");
    out.layer_rule = in.text("layerRule");
    out.layers = in.integers("layers");
    return out;
}

grammar_trigger to_trigger(const fields & in) {
    const std::string type = in.text("type");
    grammar_trigger out;
    out.is = type == "token"     ? grammar_trigger::kind::token
             : type == "word"    ? grammar_trigger::kind::word
             : type == "pattern" ? grammar_trigger::kind::pattern
                                 : grammar_trigger::kind::whole_pattern;
    out.value = in.text("value");
    if (in.has("token")) out.token = in.integer("token");
    return out;
}

reasoning_options to_reasoning(const fields & in) {
    reasoning_options out;
    out.budget = in.integer("tokens");
    out.start_tags = in.texts("startTags");
    out.end_tags = in.texts("endTags");
    if (in.has("message")) out.message = in.text("message");
    out.inside = in.flag("inside");
    return out;
}

}  // namespace

pair_options to_pair_options(const Napi::Object & from, bool with_runtime) {
    const fields in(from);
    pair_options out;
    out.prefill = in.model("prefill");
    out.prefill_adapters = in.adapters("prefill");
    out.cache_type_k = to_cache_type(in.text("cacheTypeK"));
    out.cache_type_v = to_cache_type(in.text("cacheTypeV"));
    out.attention = to_flash_attention(in.text("flashAttention"));
    for (const fields & writer : in.objects("writers")) out.more_writers.push_back(to_writer(writer));
    if (!out.more_writers.empty()) {
        out.set_first_writer(out.more_writers.front());
        out.more_writers.erase(out.more_writers.begin());
    }
    if (!with_runtime) return out;
    out.context_size = in.size("contextSize");
    out.cache_tokens = in.size("cacheTokens");
    out.max_sessions = in.size("maxSessions");
    out.max_waiting = in.size("maxWaiting");
    out.batch_size = in.size("batchSize");
    out.prefill_share = in.number("prefillShare");
    const double prefix_cache_bytes = in.number("prefixCacheBytes");
    out.prefix_cache_bytes = prefix_cache_bytes < 0 ? default_prefix_cache_bytes : (uint64_t) prefix_cache_bytes;
    out.available_bytes = (uint64_t) in.number("availableBytes");
    out.prefix_directory = in.text("prefixCacheDirectory");
    out.prefix_disk_bytes = (uint64_t) in.number("prefixCacheDiskBytes");
    out.n_threads = in.integer("threads");
    out.reader_elsewhere = in.text("readerElsewhere");
    const std::string handover = in.text("handover");
    out.handover = handover == "share"       ? handover_choice::share
                   : handover == "translate" ? handover_choice::translate
                                             : handover_choice::automatic;
    out.implementation = to_implementation(in.text("implementation"));
    return out;
}

prefill_options to_prefill_options(const Napi::Object & from) {
    const fields in(from);
    return { in.flag("refresh"),       in.flag("parseSpecial"), in.flag("replace"),
             in.flag("deterministic"), in.integer("priority"),  nullptr };
}

decode_options to_decode_options(const Napi::Object & from) {
    const fields in(from);
    decode_options out;
    sampling_options & s = out.sampling;
    s.temperature = in.real("temperature");
    s.top_k = in.integer("topK");
    s.top_p = in.real("topP");
    s.min_p = in.real("minP");
    s.typical_p = in.real("typicalP");
    s.repeat_penalty = in.real("repeatPenalty");
    s.presence_penalty = in.real("presencePenalty");
    s.frequency_penalty = in.real("frequencyPenalty");
    s.repeat_last_n = in.integer("repeatLastN");
    s.dry_multiplier = in.real("dryMultiplier");
    s.dry_base = in.real("dryBase");
    s.dry_allowed_length = in.integer("dryAllowedLength");
    s.dry_penalty_last_n = in.integer("dryPenaltyLastN");
    s.dry_sequence_breakers = in.texts("drySequenceBreakers");
    s.xtc_probability = in.real("xtcProbability");
    s.xtc_threshold = in.real("xtcThreshold");
    s.top_n_sigma = in.real("topNSigma");
    s.dynatemp_range = in.real("dynatempRange");
    s.dynatemp_exponent = in.real("dynatempExponent");
    s.mirostat = in.integer("mirostat");
    s.mirostat_tau = in.real("mirostatTau");
    s.mirostat_eta = in.real("mirostatEta");
    s.samplers = in.texts("samplers");
    s.has_seed = in.number("seed") >= 0;
    s.seed = s.has_seed ? in.size("seed") : 0;
    s.ignore_eos = in.flag("ignoreEos");
    s.grammar = in.text("grammar");
    s.grammar_lazy = in.has("grammarLazy") && in.flag("grammarLazy");
    if (in.has("grammarTriggers"))
        for (const fields & trigger : in.objects("grammarTriggers")) s.grammar_triggers.push_back(to_trigger(trigger));
    if (in.has("generationPrompt")) s.generation_prompt = in.text("generationPrompt");
    if (in.has("reasoningBudget")) s.reasoning = to_reasoning(in.object("reasoningBudget"));
    s.n_log_probs = in.integer("logProbs");
    const std::vector<int32_t> tokens = in.integers("logitBiasTokens");
    const std::vector<float> values = in.reals("logitBiasValues");
    for (size_t i = 0; i < tokens.size() && i < values.size(); i++) s.logit_bias.emplace_back(tokens[i], values[i]);
    out.max_tokens = in.size("maxTokens");
    out.special = in.flag("special");
    out.refresh_interval = in.size("refreshInterval");
    if (in.has("refreshBudget")) out.refresh_budget.share = in.real("refreshBudget");
    if (in.has("quality"))
        out.quality.is = in.text("quality") == "exact" ? quality_options::kind::exact : quality_options::kind::near;
    if (in.has("acceptance")) out.quality.acceptance = in.real("acceptance");
    if (in.has("syntheticAcceptance")) {
        out.quality.synthetic = in.real("syntheticAcceptance");
        out.quality.finds_drafts = false;
    }
    out.deterministic = out.refresh_budget.fixed_costs = in.flag("deterministic");
    out.priority = in.integer("priority");
    out.stop = in.texts("stop");
    if (in.has("preservedTokens")) out.preserved_tokens = in.texts("preservedTokens");
    if (in.has("writer")) out.writer = (pair_side) in.size("writer");
    return out;
}

std::vector<llama_token> to_tokens(const Napi::Value & from) {
    const auto tokens = from.As<Napi::Int32Array>();
    return { tokens.Data(), tokens.Data() + tokens.ElementLength() };
}

Napi::Value from_tokens(Napi::Env env, const std::vector<llama_token> & tokens) {
    Napi::Int32Array out = Napi::Int32Array::New(env, tokens.size());
    std::copy(tokens.begin(), tokens.end(), out.Data());
    return out;
}

Napi::Value from_devices(Napi::Env env, const std::vector<device_info> & devices) {
    Napi::Array out = Napi::Array::New(env);
    for (const device_info & device : devices) {
        Napi::Object d = Napi::Object::New(env);
        d.Set("name", device.name);
        d.Set("description", device.description);
        d.Set("kind", device.kind);
        d.Set("backend", device.backend);
        d.Set("memoryFreeBytes", (double) device.memory_free_bytes);
        d.Set("memoryTotalBytes", (double) device.memory_total_bytes);
        out.Set(out.Length(), d);
    }
    return out;
}

Napi::Value from_inspection(Napi::Env env, const pair_info & info) {
    Napi::Object out = Napi::Object::New(env);
    const writer_info & first = info.writers.at(0);
    out.Set("prefill", from_model(env, info.prefill, info.prefill_adapters));
    out.Set("decode", from_model(env, first.model, first.adapters));
    out.Set("plan", from_plan(env, first.plan));
    out.Set("kvBytesPerToken", (double) info.kv_bytes_per_token);
    return out;
}

Napi::Value from_pair_info(Napi::Env env, const pair_info & info) {
    Napi::Object out = from_inspection(env, info).As<Napi::Object>();
    Napi::Array writers = Napi::Array::New(env);
    for (const writer_info & writer : info.writers) {
        Napi::Object w = Napi::Object::New(env);
        w.Set("name", writer.name);
        w.Set("model", from_model(env, writer.model, writer.adapters));
        w.Set("plan", from_plan(env, writer.plan));
        w.Set("runsApart", writer.runs_apart);
        writers.Set(writers.Length(), w);
    }
    out.Set("writers", writers);
    out.Set("contextSize", info.context_size);
    out.Set("cacheTokens", info.cache_tokens);
    out.Set("maxSessions", info.max_sessions);
    out.Set("batchSize", info.batch_size);
    out.Set("threads", info.n_threads);
    out.Set("kvBytes", (double) info.kv_bytes);
    out.Set("prefixCacheBytes", (double) info.prefix_cache_bytes);
    out.Set("flashAttention", info.flash_attn);
    out.Set("kernels", from_kernels(env, info.kernels));
    out.Set("loadMs", info.load_ms);
    return out;
}

Napi::Value from_prefill_result(Napi::Env env, const prefill_result & result) {
    Napi::Object out = Napi::Object::New(env);
    out.Set("promptTokens", result.n_prompt_tokens);
    out.Set("keptTokens", result.n_kept_tokens);
    out.Set("refreshedTokens", result.n_refreshed_tokens);
    out.Set("cachedTokens", result.n_cached_tokens);
    out.Set("contextTokens", result.n_context_tokens);
    out.Set("ms", result.milliseconds);
    return out;
}

Napi::Value from_handover_report(Napi::Env env, const handover_report & report) {
    Napi::Object out = Napi::Object::New(env);
    out.Set("writer", report.writer);
    out.Set("kind", handover_kind_name(report.kind));
    out.Set("implementation", report.implementation);
    out.Set("reason", report.reason);
    out.Set("bytes", (double) report.n_bytes);
    out.Set("msAhead", report.milliseconds_ahead);
    out.Set("tokens", report.n_tokens);
    out.Set("ms", report.milliseconds);
    return out;
}

Napi::Value from_stats(Napi::Env env, const session_stats & stats) {
    Napi::Object out = Napi::Object::New(env);
    out.Set("stage", session_stage_name(stats.stage));
    out.Set("contextTokens", stats.n_context_tokens);
    out.Set("contextSize", stats.context_size);
    out.Set("prefillTokens", stats.n_prefill_tokens);
    out.Set("refreshedTokens", stats.n_refreshed_tokens);
    out.Set("cachedTokens", stats.n_cached_tokens);
    out.Set("decodeTokens", stats.n_decode_tokens);
    out.Set("decodeSteps", stats.n_decode_steps);
    out.Set("prefillMs", stats.prefill_ms);
    out.Set("switchMs", stats.switch_ms);
    out.Set("decodeMs", stats.decode_ms);
    out.Set("restoredTokens", stats.n_restored_tokens);
    out.Set("restoreMs", stats.restore_ms);
    return out;
}

Napi::Value from_reading(Napi::Env env, const token_stream::reading & reading) {
    Napi::Object out = Napi::Object::New(env);
    out.Set("text", reading.chunk.text);
    out.Set("tokens", from_tokens(env, reading.chunk.tokens));
    if (!reading.chunk.log_probs.empty()) {
        Napi::Array rows = Napi::Array::New(env, reading.chunk.log_probs.size());
        for (uint32_t i = 0; i < rows.Length(); i++) {
            const auto & row = reading.chunk.log_probs[i];
            Napi::Float64Array values = Napi::Float64Array::New(env, 2 * row.size());
            for (size_t j = 0; j < row.size(); j++) {
                values[2 * j] = row[j].token;
                values[2 * j + 1] = row[j].log_prob;
            }
            rows.Set(i, values);
        }
        out.Set("logProbs", rows);
    }
    if (reading.result) {
        Napi::Object result = Napi::Object::New(env);
        result.Set("reason", finish_reason_name(reading.result->reason));
        result.Set("stop", reading.result->stop);
        result.Set("writer", reading.result->writer);
        result.Set("tokens", reading.result->n_tokens);
        result.Set("decodeSteps", reading.result->n_decode_steps);
        result.Set("refreshes", reading.result->n_refreshes);
        result.Set("refreshedTokens", reading.result->n_refreshed_tokens);
        result.Set("seed", reading.result->seed);
        result.Set("ms", reading.result->milliseconds);
        result.Set("refreshMs", reading.result->refresh_ms);
        if (const auto & sums = reading.result->verification) {
            Napi::Object verification = Napi::Object::New(env);
            verification.Set("checks", sums->n_checks);
            verification.Set("draftedTokens", sums->n_drafted_tokens);
            verification.Set("foundTokens", sums->n_found_tokens);
            verification.Set("keptTokens", sums->n_kept_tokens);
            verification.Set("replacedTokens", sums->n_replaced_tokens);
            result.Set("verification", verification);
        }
        out.Set("result", result);
    }
    return out;
}

}  // namespace overfill
