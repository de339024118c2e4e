// The addon's entry: registers the classes and the calls that belong to no pair.
#include "atomic_file.h"
#include "convert.h"
#include "cuda/translate_cuda.h"
#include "devices.h"
#include "entry.h"
#include "environment.h"
#include "failure.h"
#include "fields.h"
#include "fit_wrapper.h"
#include "heal_wrapper.h"
#include "job_wrapper.h"
#include "kernels_convert.h"
#include "llama_log.h"
#include "loaded_module.h"
#include "log_wrapper.h"
#include "memory_size.h"
#include "output_paths.h"
#include "parent_watch.h"
#include "prune_wrapper.h"
#include "quantize_wrapper.h"
#include "rpc_backend.h"
#include "staging_folder.h"
#include "version_gate.h"
#include "wrappers.h"

#include <llama.h>
#include <napi.h>

#include <filesystem>
#include <memory>
#include <mutex>

namespace overfill {

static Napi::Value initialize(const Napi::CallbackInfo & info) {
    const fields options(info[0]);
    environment & data = environment::of(info.Env());
    data.create_error = Napi::Persistent(options.value("createError").As<Napi::Function>());
    check_llama_version();
    // A worker's end unloads the addons that only it has loaded. llama.cpp, which stays, would call into a hole.
    if (!keep_loaded((const void *) &initialize))
        throw failure(error_code::binding_load_failed, "the system could not keep the addon in memory");
    install_llama_log();
    static std::once_flag once;
    std::call_once(once, [] { llama_backend_init(); });
    load_cpu_backend(options.text("backendDirectory"));
    data.cuda_library = find_cuda_library(options.text("addonDirectory"));
    set_rpc_directory(options.text("addonDirectory"));
    return info.Env().Undefined();
}

static Napi::Value end_threads(const Napi::CallbackInfo & info) {
    environment::of(info.Env()).end_threads();
    return info.Env().Undefined();
}

static Napi::Value begin_parent_watch(const Napi::CallbackInfo & info) {
    end_with_parent(info[0].As<Napi::Number>().Int64Value());
    return info.Env().Undefined();
}

static Napi::Value load_gpu(const Napi::CallbackInfo & info) {
    return Napi::Boolean::New(info.Env(), load_gpu_backend(info[0].As<Napi::String>().Utf8Value()));
}

// Blocks this thread for good: it is the process's only work.
static Napi::Value serve_rpc(const Napi::CallbackInfo & info) {
    const fields options(info[0]);
    run_rpc_server(
        { options.text("endpoint"), options.text("cacheDirectory"), options.size("threads"), options.flag("useGpu") });
    return info.Env().Undefined();
}

static Napi::Value devices(const Napi::CallbackInfo & info) { return from_devices(info.Env(), list_devices()); }

static Napi::Value try_kernels(const Napi::CallbackInfo & info) {
    return from_kernels(info.Env(), common_kernel_use());
}

static Napi::Value features(const Napi::CallbackInfo & info) { return Napi::String::New(info.Env(), cpu_features()); }

// Structure and metadata of one or two models.
static Napi::Value inspect(const Napi::CallbackInfo & info) {
    return job_wrapper::begin_quiet<pair_info>(
        info.Env(),
        [options = to_pair_options(info[0].As<Napi::Object>(), false)](const std::atomic<bool> & stop) {
            const compared_models models =
                load_and_compare(options, load_depth::metadata, [&](float) { return !stop; });
            cache_traits cache;
            cache.type_k = options.cache_type_k;
            cache.type_v = options.cache_type_v;
            cache.v_transposed = options.attention == flash_attention::off;
            pair_info out;
            out.prefill = models.prefill_traits;
            out.prefill_adapters = facts_of(models.prefill_adapters);
            for (const compared_writer & model : models.writers)
                out.writers.push_back({ model.name, model.traits, facts_of(model.adapters), model.plan });
            out.kv_bytes_per_token = kv_bytes_per_token(models.prefill_traits, cache);
            return out;
        },
        from_inspection);
}

// --- files ---

static Napi::Value take_file_lock(const Napi::CallbackInfo & info) {
    auto lock = std::make_unique<lock_file>();
    switch (lock->take(std::filesystem::u8path(info[0].As<Napi::String>().Utf8Value()))) {
    case lock_file::outcome::held:
        return Napi::External<lock_file>::New(info.Env(), lock.release(),
                                              [](Napi::BasicEnv, lock_file * held) { delete held; });
    case lock_file::outcome::busy: return Napi::String::New(info.Env(), "busy");
    default: return Napi::String::New(info.Env(), "unknown");
    }
}

static Napi::Value release_file_lock(const Napi::CallbackInfo & info) {
    info[0].As<Napi::External<lock_file>>().Data()->release();
    return info.Env().Undefined();
}

// --- texts ---

static Napi::Value from_nothing(Napi::Env env, bool) { return env.Undefined(); }

static Napi::Value begin_check_text_output(const Napi::CallbackInfo & info) {
    return job_wrapper::begin_quiet<bool>(
        info.Env(),
        [path = info[0].As<Napi::String>().Utf8Value()](const std::atomic<bool> &) {
            check_writable(path, /*is_text*/ true);
            return true;
        },
        from_nothing);
}

static Napi::Value begin_write_text(const Napi::CallbackInfo & info) {
    return job_wrapper::begin_quiet<bool>(
        info.Env(),
        [path = info[0].As<Napi::String>().Utf8Value(),
         text = info[1].As<Napi::String>().Utf8Value()](const std::atomic<bool> &) {
            write_text(path, text);
            return true;
        },
        from_nothing);
}

static Napi::Object start(Napi::Env env, Napi::Object exports) {
    auto data = std::make_unique<environment>();
    data->pair_class = Napi::Persistent(pair_wrapper::define(env));
    data->session_class = Napi::Persistent(session_wrapper::define(env));
    data->stream_class = Napi::Persistent(stream_wrapper::define(env));
    data->job_class = Napi::Persistent(job_wrapper::define(env));
    data->log_class = Napi::Persistent(log_wrapper::define(env));
    env.SetInstanceData(data.release());

    exports.Set("llamaVersionBuilt", llama_version_built());
    exports.Set("llamaVersionLoaded", llama_version_loaded());
#ifdef OVERFILL_LLAMA_SOURCE
    exports.Set("llamaOrigin", "source");
#else
    exports.Set("llamaOrigin", "prebuilt");
#endif
    set_function<initialize>(exports, "initialize");
    set_function<end_threads>(exports, "endThreads");
    set_function<begin_parent_watch>(exports, "endWithParent");
    set_function<log_wrapper::listen>(exports, "listenToLog");
    set_function<load_gpu>(exports, "loadGpuBackend");
    set_function<serve_rpc>(exports, "serveRpc");
    set_function<devices>(exports, "devices");
    set_function<try_kernels>(exports, "tryKernels");
    set_function<features>(exports, "cpuFeatures");
    set_function<inspect>(exports, "inspect");
    set_function<inspect_translator>(exports, "inspectTranslator");
    set_function<begin_fit>(exports, "fit");
    set_function<begin_prune>(exports, "prune");
    set_function<begin_measure_importance>(exports, "measureImportance");
    set_function<begin_pad>(exports, "pad");
    set_function<begin_quantize>(exports, "quantize");
    set_function<begin_measure_matrix>(exports, "measureImportanceMatrix");
    set_function<inspect_importance>(exports, "inspectImportance");
    set_function<prunable_architectures>(exports, "prunableArchitectures");
    set_function<begin_heal>(exports, "heal");
    set_function<begin_estimate_heal>(exports, "estimateHeal");
    set_function<begin_check_text_output>(exports, "checkTextOutput");
    set_function<take_file_lock>(exports, "takeFileLock");
    set_function<release_file_lock>(exports, "releaseFileLock");
    set_function<begin_write_text>(exports, "writeText");
    set_function<begin_create_model>(exports, "createModel");
    set_function<pair_wrapper::load>(exports, "loadPair");
    return exports;
}

}  // namespace overfill

static Napi::Object init(Napi::Env env, Napi::Object exports) { return overfill::start(env, exports); }

NODE_API_MODULE(overfill, init)
