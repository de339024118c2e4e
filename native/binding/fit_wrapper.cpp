#include "fit_wrapper.h"

#include "environment.h"
#include "translator_file.h"

#include <algorithm>

namespace overfill {

struct fit_wrapper::end_hook {
    Napi::Env::CleanupHook<void (*)(fit_wrapper *), fit_wrapper> hook;
};

// --- conversion ---

static fit_options to_fit_options(const Napi::Object & in) {
    const auto text = [&](const char * name) { return in.Get(name).As<Napi::String>().Utf8Value(); };
    const auto number = [&](const char * name) { return in.Get(name).As<Napi::Number>().DoubleValue(); };
    const auto model = [&](const char * name) -> model_options {
        const Napi::Object source = in.Get(name).As<Napi::Object>();
        return { source.Get("path").As<Napi::String>().Utf8Value(),
                 source.Get("gpuLayers").As<Napi::Number>().Int32Value() };
    };
    fit_options out;
    out.prefill = model("prefill");
    out.decode = model("decode");
    out.text_path = text("text");
    out.out_path = text("out");
    out.layer_map = text("layerMap");
    const auto layers = in.Get("layers").As<Napi::Int32Array>();
    out.layers.assign(layers.Data(), layers.Data() + layers.ElementLength());
    out.common_map = in.Get("commonMap").As<Napi::Boolean>();
    out.before_rope = in.Get("beforeRope").As<Napi::Boolean>();
    out.chunk_size = (uint32_t) number("chunkSize");
    out.max_tokens = (uint64_t) number("maxTokens");
    out.lambda = number("lambda");
    out.held_out = number("heldOut");
    const std::string type = text("weightType");
    out.weight_type = type == "f32" ? GGML_TYPE_F32 : type == "q8_0" ? GGML_TYPE_Q8_0 : GGML_TYPE_F16;
    out.n_threads = (int32_t) number("threads");
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

// --- fit ---

Napi::Function fit_wrapper::define(Napi::Env env) {
    return DefineClass(env, "NativeFit", { InstanceMethod<&fit_wrapper::abort>("abort") });
}

Napi::Value fit_wrapper::begin(const Napi::CallbackInfo & info) {
    return environment::of(info.Env()).fit_class.New({ info[0], info[1] });
}

fit_wrapper::fit_wrapper(const Napi::CallbackInfo & info) : Napi::ObjectWrap<fit_wrapper>(info) {
    guarded(info.Env(), [&] { start(info); });
}

void fit_wrapper::start(const Napi::CallbackInfo & info) {
    Napi::Env env = info.Env();
    fit_options options = to_fit_options(info[0].As<Napi::Object>());
    const ggml_type weight_type = options.weight_type;
    box_ = std::make_shared<mailbox>(env);
    const mailbox::call call = box_->open(env, info[1].As<Napi::Function>());
    const auto box = box_;
    const uint64_t id = call.id;
    const auto on_progress = [box, id](const fit_progress & progress) {
        box->progress(id, { (double) progress.stage, progress.fraction, (double) progress.n_tokens });
    };
    job_ = std::make_unique<background_job<fit_result>>(
        [options = std::move(options), on_progress](const std::atomic<bool> & stop) {
            return fit(options, on_progress, stop);
        },
        completion<fit_result>{ [box, id, weight_type](const fit_result & result) {
                                   box->resolve(id, [result, weight_type](Napi::Env env) -> Napi::Value {
                                       Napi::Object out =
                                           from_translator(env, result.translator, result.n_bytes, weight_type);
                                       out.Set("heldOutTokens", (double) result.n_held_out_tokens);
                                       out.Set("ms", result.milliseconds);
                                       return out;
                                   });
                               },
                                [box, id](const failure & error) { box->reject(id, error); } });
    // Registered after the mailbox's thread-safe function, hence called before that one goes.
    hook_ =
        std::unique_ptr<end_hook>(new end_hook{ info.Env().AddCleanupHook(&fit_wrapper::on_environment_end, this) });
    info.This().As<Napi::Object>().Set("finished", call.promise);
}

void fit_wrapper::on_environment_end(fit_wrapper * self) {
    self->job_->join();
    self->box_->shut();
    self->hook_.reset();
}

void fit_wrapper::Finalize(Napi::BasicEnv env) {
    if (job_) job_->join();
    if (hook_) hook_->hook.Remove(env);
}

Napi::Value fit_wrapper::abort(const Napi::CallbackInfo & info) {
    job_->abort();
    return info.Env().Undefined();
}

// --- files ---

// A file of at most some hundred megabytes, read from the disk: a short job, so it may use the pool.
class translator_worker final : public Napi::AsyncWorker {
  public:
    translator_worker(Napi::Env env, std::string path)
        : Napi::AsyncWorker(env), deferred_(Napi::Promise::Deferred::New(env)), path_(std::move(path)) {}

    Napi::Promise promise() const { return deferred_.Promise(); }

    void Execute() override {
        try {
            is_translator_ = is_translator_file(path_);
            if (is_translator_) translator_ = read_translator(path_, &info_);
        } catch (...) {
            failure_ = std::make_unique<failure>(current_failure());
        }
    }

    void OnOK() override {
        const Napi::Env env = Env();
        if (failure_)
            deferred_.Reject(to_error(env, *failure_).Value());
        else if (is_translator_)
            deferred_.Resolve(from_translator(env, translator_, info_.n_bytes, info_.weight_type));
        else
            deferred_.Resolve(env.Undefined());
    }

  private:
    Napi::Promise::Deferred deferred_;
    std::string path_;
    bool is_translator_ = false;
    translator translator_;
    translator_file_info info_;
    std::unique_ptr<failure> failure_;
};

Napi::Value inspect_translator(const Napi::CallbackInfo & info) {
    return guarded(info.Env(), [&]() -> Napi::Value {
        auto * worker = new translator_worker(info.Env(), info[0].As<Napi::String>().Utf8Value());
        const Napi::Promise promise = worker->promise();
        worker->Queue();
        return promise;
    });
}

}  // namespace overfill
