#include "prune_wrapper.h"

#include "architecture.h"
#include "job_wrapper.h"
#include "prune_convert.h"

#include <optional>

namespace overfill {

// All three jobs of the room have the same progress.
template <class Result, class Options>
static Napi::Value begin(const Napi::CallbackInfo & info, Options (*to_options)(const Napi::Object &),
                         Result (*run)(const Options &, const std::function<void(const prune_progress &)> &,
                                       const std::atomic<bool> &),
                         Napi::Value (*to_value)(Napi::Env, const Result &)) {
    return job_wrapper::begin<Result>(
        info.Env(), info[1].As<Napi::Function>(),
        [options = to_options(info[0].As<Napi::Object>()), run](const job_wrapper::report & report,
                                                                const std::atomic<bool> & stop) {
            const auto on_progress = [&](const prune_progress & progress) {
                report({ (double) progress.stage, progress.fraction, (double) progress.n_tokens });
            };
            return run(options, on_progress, stop);
        },
        to_value);
}

Napi::Value begin_prune(const Napi::CallbackInfo & info) {
    return begin(info, to_prune_options, prune, from_prune_result);
}

Napi::Value begin_measure_importance(const Napi::CallbackInfo & info) {
    return begin(info, to_importance_options, measure_importance, from_importance);
}

Napi::Value begin_pad(const Napi::CallbackInfo & info) { return begin(info, to_pad_options, pad, from_pad_result); }

Napi::Value inspect_importance(const Napi::CallbackInfo & info) {
    using reading = std::optional<importance>;
    return job_wrapper::begin_quiet<reading>(
        info.Env(),
        [path = info[0].As<Napi::String>().Utf8Value()](const std::atomic<bool> &) {
            return is_importance_file(path) ? reading(read_importance(path)) : reading();
        },
        [](Napi::Env env, const reading & read) { return read ? from_importance(env, *read) : env.Undefined(); });
}

Napi::Value prunable_architectures(const Napi::CallbackInfo & info) {
    return from_architectures(info.Env(), all_architectures());
}

}  // namespace overfill
