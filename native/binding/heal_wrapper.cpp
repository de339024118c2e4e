#include "heal_wrapper.h"

#include "environment.h"
#include "heal_convert.h"
#include "job_wrapper.h"
#include "pool_read.h"

#include <memory>

namespace overfill {

// A function of (name, value) that calls the method of that name. It holds the methods' object, so that no event
// carries a JavaScript handle.
static Napi::Function dispatcher(Napi::Env env, const Napi::Object & events) {
    const auto held = std::make_shared<Napi::ObjectReference>(Napi::Persistent(events));
    return Napi::Function::New(env, [held](const Napi::CallbackInfo & info) {
        const Napi::Object target = held->Value();
        target.Get(info[0]).As<Napi::Function>().Call(target, { info[1] });
    });
}

template <class Value>
static std::function<void(const Value &)> teller(const job_wrapper::news & tell, const char * name,
                                                 Napi::Value (*convert)(Napi::Env, const Value &)) {
    return [=](const Value & value) {
        tell([=](Napi::Env env) {
            return std::vector<napi_value>{ Napi::String::New(env, name), convert(env, value) };
        });
    };
}

Napi::Value begin_heal(const Napi::CallbackInfo & info) {
    return guarded(info.Env(), [&] {
        return job_wrapper::begin_telling<heal_result>(
            info.Env(), dispatcher(info.Env(), info[1].As<Napi::Object>()),
            [options = to_heal_options(info[0].As<Napi::Object>())](const job_wrapper::news & tell,
                                                                    const std::atomic<bool> & stop) {
                heal_events events;
                events.on_progress = teller(tell, "onProgress", from_heal_progress);
                events.on_bad_line = teller(tell, "onBadLine", from_bad_line);
                events.on_evaluation = teller(tell, "onEvaluation", from_evaluation);
                return heal(options, events, stop);
            },
            from_heal_result);
    });
}

Napi::Value begin_create_model(const Napi::CallbackInfo & info) {
    return pool_read<new_model_result>::begin(
        info.Env(), [options = to_new_model_options(info[0].As<Napi::Object>())] { return create_model(options); },
        from_new_model_result);
}

}  // namespace overfill
