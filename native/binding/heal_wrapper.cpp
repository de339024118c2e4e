#include "heal_wrapper.h"

#include "heal_convert.h"
#include "job_wrapper.h"

namespace overfill {

template <class Value>
static std::function<void(const Value &)> teller(const job_wrapper::news & tell, const char * name,
                                                 Napi::Value (*convert)(Napi::Env, const Value &)) {
    return [=](const Value & value) {
        tell([=](Napi::Env env) {
            return std::vector<napi_value>{ Napi::String::New(env, name), convert(env, value) };
        });
    };
}

// A training, or a look at one: the same options and events.
template <class Result>
static Napi::Value begin_training(const Napi::CallbackInfo & info,
                                  Result (*train)(const heal_options &, const heal_events &, const std::atomic<bool> &),
                                  Napi::Value (*convert)(Napi::Env, const Result &)) {
    return job_wrapper::begin_telling<Result>(
        info.Env(), info[1].As<Napi::Function>(),
        [train, options = to_heal_options(info[0].As<Napi::Object>())](const job_wrapper::news & tell,
                                                                       const std::atomic<bool> & stop) {
            heal_events events;
            events.on_progress = teller(tell, "onProgress", from_heal_progress);
            events.on_bad_line = teller(tell, "onBadLine", from_bad_line);
            events.on_evaluation = teller(tell, "onEvaluation", from_evaluation);
            return train(options, events, stop);
        },
        convert);
}

Napi::Value begin_heal(const Napi::CallbackInfo & info) { return begin_training(info, heal, from_heal_result); }

Napi::Value begin_estimate_heal(const Napi::CallbackInfo & info) {
    return begin_training(info, estimate_heal, from_heal_estimate);
}

Napi::Value begin_create_model(const Napi::CallbackInfo & info) {
    return job_wrapper::begin_quiet<new_model_result>(
        info.Env(),
        [options = to_new_model_options(info[0].As<Napi::Object>())](const std::atomic<bool> & stop) {
            return create_model(options, stop);
        },
        from_new_model_result);
}

}  // namespace overfill
