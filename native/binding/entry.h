// Every way from JavaScript into the addon goes through `enter`: what the body throws becomes a JavaScript exception,
// and nothing else ever leaves, since an exception that leaves a callback of Node-API ends the whole process.
//
// While an environment ends (worker.terminate, process.exit in a worker, a heap limit), Node-API refuses each call that
// could run JavaScript. The body's calls then throw, and the exception cannot be handed over either. Nobody is left to
// hear of it, so it is dropped.
#pragma once

#include "environment.h"

#include <napi.h>

namespace overfill {

// Leaves the exception in flight to JavaScript, unless the environment is ending. For a `catch (...)`.
void throw_current_into(napi_env env) noexcept;

template <class Body> napi_value enter(napi_env env, const Body & body) noexcept {
    try {
        return body();
    } catch (...) {
        throw_current_into(env);
        return nullptr;
    }
}

template <Napi::Value (*Function)(const Napi::CallbackInfo &)>
napi_value function_entry(napi_env env, napi_callback_info raw) noexcept {
    return enter(env, [&]() -> napi_value {
        const Napi::CallbackInfo info(env, raw);
        const own_work scope;
        return Function(info);
    });
}

template <class Class, Napi::Value (Class::*Method)(const Napi::CallbackInfo &)>
napi_value method_entry(napi_env env, napi_callback_info raw) noexcept {
    return enter(env, [&]() -> napi_value {
        const Napi::CallbackInfo info(env, raw);
        const own_work scope;
        Class * self = Class::Unwrap(info.This().As<Napi::Object>());
        return (self->*Method)(info);
    });
}

// A method for DefineClass.
template <class Class, Napi::Value (Class::*Method)(const Napi::CallbackInfo &)>
Napi::ClassPropertyDescriptor<Class> method(const char * name) {
    napi_property_descriptor out{};
    out.utf8name = name;
    out.method = method_entry<Class, Method>;
    out.attributes = napi_default_method;
    return out;
}

// A property of the addon that is a function.
template <Napi::Value (*Function)(const Napi::CallbackInfo &)>
void set_function(Napi::Object exports, const char * name) {
    napi_value made = nullptr;
    const napi_status status =
        napi_create_function(exports.Env(), name, NAPI_AUTO_LENGTH, function_entry<Function>, nullptr, &made);
    if (status != napi_ok) throw Napi::Error::New(exports.Env());
    exports.Set(name, Napi::Value(exports.Env(), made));
}

}  // namespace overfill
