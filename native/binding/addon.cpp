// The addon's entry: registers the classes and the calls that belong to no pair.
#include "convert.h"
#include "cuda/translate_cuda.h"
#include "devices.h"
#include "environment.h"
#include "failure.h"
#include "fit_wrapper.h"
#include "heal_wrapper.h"
#include "job_wrapper.h"
#include "llama_log.h"
#include "pool_read.h"
#include "prune_wrapper.h"
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

struct inspection {
    model_traits prefill, decode;
    pair_plan plan;
    uint64_t kv_bytes = 0;  // per token
};

// Structure and metadata of one or two models. A short job, so it may use the pool.
static Napi::Value inspect(const Napi::CallbackInfo & info) {
    return guarded(info.Env(), [&] {
        return pool_read<inspection>::begin(
            info.Env(),
            [options = to_pair_options(info[0].As<Napi::Object>(), false)] {
                const compared_models models =
                    load_and_compare(options, load_depth::metadata, [](float) { return true; });
                cache_traits cache;
                cache.type_k = options.cache_type_k;
                cache.type_v = options.cache_type_v;
                return inspection{ models.prefill_traits, models.decode_traits, models.plan,
                                   kv_bytes_per_token(models.prefill_traits, cache) };
            },
            [](Napi::Env env, const inspection & read) {
                return from_inspection(env, read.prefill, read.decode, read.plan, read.kv_bytes);
            });
    });
}

static Napi::Object start(Napi::Env env, Napi::Object exports) {
    auto data = std::make_unique<environment>();
    data->pair_class = Napi::Persistent(pair_wrapper::define(env));
    data->session_class = Napi::Persistent(session_wrapper::define(env));
    data->stream_class = Napi::Persistent(stream_wrapper::define(env));
    data->job_class = Napi::Persistent(job_wrapper::define(env));
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
    exports.Set("fit", Napi::Function::New<begin_fit>(env, "fit"));
    exports.Set("prune", Napi::Function::New<begin_prune>(env, "prune"));
    exports.Set("measureImportance", Napi::Function::New<begin_measure_importance>(env, "measureImportance"));
    exports.Set("pad", Napi::Function::New<begin_pad>(env, "pad"));
    exports.Set("inspectImportance", Napi::Function::New<inspect_importance>(env, "inspectImportance"));
    exports.Set("prunableArchitectures", Napi::Function::New<prunable_architectures>(env, "prunableArchitectures"));
    exports.Set("heal", Napi::Function::New<begin_heal>(env, "heal"));
    exports.Set("createModel", Napi::Function::New<begin_create_model>(env, "createModel"));
    exports.Set("loadPair", Napi::Function::New<pair_wrapper::load>(env, "loadPair"));
    return exports;
}

}  // namespace overfill

static Napi::Object init(Napi::Env env, Napi::Object exports) { return overfill::start(env, exports); }

NODE_API_MODULE(overfill, init)
