// The addon's entry: registers the classes and the calls that belong to no pair.
#include "convert.h"
#include "cuda/translate_cuda.h"
#include "devices.h"
#include "environment.h"
#include "failure.h"
#include "fit_wrapper.h"
#include "llama_log.h"
#include "version_gate.h"
#include "wrappers.h"

#include <llama.h>
#include <napi.h>

#include <mutex>

namespace overfill {

static Napi::Value initialize(const Napi::CallbackInfo & info) {
    const Napi::Object options = info[0].As<Napi::Object>();
    environment::of(info.Env()).create_error = Napi::Persistent(options.Get("createError").As<Napi::Function>());
    return guarded(info.Env(), [&] {
        check_llama_version();
        install_llama_log();
        static std::once_flag once;
        std::call_once(once, [] { llama_backend_init(); });
        load_cpu_backend(options.Get("backendDirectory").As<Napi::String>().Utf8Value());
        environment::of(info.Env()).cuda_library =
            find_cuda_library(options.Get("addonDirectory").As<Napi::String>().Utf8Value());
        return info.Env().Undefined();
    });
}

static Napi::Value load_gpu(const Napi::CallbackInfo & info) {
    return guarded(info.Env(), [&]() -> Napi::Value {
        return Napi::Boolean::New(info.Env(), load_gpu_backend(info[0].As<Napi::String>().Utf8Value()));
    });
}

static Napi::Value devices(const Napi::CallbackInfo & info) { return from_devices(info.Env(), list_devices()); }

static Napi::Value features(const Napi::CallbackInfo & info) { return Napi::String::New(info.Env(), cpu_features()); }

// Structure and metadata of one or two models. A short job, so it may use the pool.
class inspect_worker final : public Napi::AsyncWorker {
  public:
    inspect_worker(Napi::Env env, pair_options options)
        : Napi::AsyncWorker(env), deferred_(Napi::Promise::Deferred::New(env)), options_(std::move(options)) {}

    Napi::Promise promise() const { return deferred_.Promise(); }

    void Execute() override {
        try {
            const compared_models models = load_and_compare(options_, load_depth::metadata, [](float) { return true; });
            prefill_ = models.prefill_traits;
            decode_ = models.decode_traits;
            plan_ = models.plan;
            cache_traits cache;
            cache.type_k = options_.cache_type_k;
            cache.type_v = options_.cache_type_v;
            kv_bytes_ = kv_bytes_per_token(prefill_, cache);
        } catch (...) {
            failure_ = std::make_unique<failure>(current_failure());
        }
    }

    void OnOK() override {
        const Napi::Env env = Env();
        if (failure_)
            deferred_.Reject(to_error(env, *failure_).Value());
        else
            deferred_.Resolve(from_inspection(env, prefill_, decode_, plan_, kv_bytes_));
    }

  private:
    Napi::Promise::Deferred deferred_;
    pair_options options_;
    model_traits prefill_, decode_;
    pair_plan plan_;
    uint64_t kv_bytes_ = 0;
    std::unique_ptr<failure> failure_;
};

static Napi::Value inspect(const Napi::CallbackInfo & info) {
    return guarded(info.Env(), [&]() -> Napi::Value {
        auto * worker = new inspect_worker(info.Env(), to_pair_options(info[0].As<Napi::Object>(), false));
        const Napi::Promise promise = worker->promise();
        worker->Queue();
        return promise;
    });
}

static Napi::Object start(Napi::Env env, Napi::Object exports) {
    auto data = std::make_unique<environment>();
    data->pair_class = Napi::Persistent(pair_wrapper::define(env));
    data->session_class = Napi::Persistent(session_wrapper::define(env));
    data->stream_class = Napi::Persistent(stream_wrapper::define(env));
    data->fit_class = Napi::Persistent(fit_wrapper::define(env));
    env.SetInstanceData(data.release());

    exports.Set("llamaVersionBuilt", llama_version_built());
    exports.Set("llamaVersionLoaded", llama_version_loaded());
#ifdef OVERFILL_LLAMA_SOURCE
    exports.Set("llamaOrigin", "source");
#else
    exports.Set("llamaOrigin", "prebuilt");
#endif
    exports.Set("initialize", Napi::Function::New<initialize>(env, "initialize"));
    exports.Set("loadGpuBackend", Napi::Function::New<load_gpu>(env, "loadGpuBackend"));
    exports.Set("devices", Napi::Function::New<devices>(env, "devices"));
    exports.Set("cpuFeatures", Napi::Function::New<features>(env, "cpuFeatures"));
    exports.Set("inspect", Napi::Function::New<inspect>(env, "inspect"));
    exports.Set("inspectTranslator", Napi::Function::New<inspect_translator>(env, "inspectTranslator"));
    exports.Set("fit", Napi::Function::New<fit_wrapper::begin>(env, "fit"));
    exports.Set("loadPair", Napi::Function::New<pair_wrapper::load>(env, "loadPair"));
    return exports;
}

}  // namespace overfill

static Napi::Object init(Napi::Env env, Napi::Object exports) { return overfill::start(env, exports); }

NODE_API_MODULE(overfill, init)
