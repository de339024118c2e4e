#include "environment.h"

namespace overfill {

static Napi::Value to_value(Napi::Env env, const detail_value & value) {
    if (const double * number = value.number()) return Napi::Number::New(env, *number);
    if (const bool * truth = value.truth()) return Napi::Boolean::New(env, *truth);
    return Napi::String::New(env, *value.text());
}

Napi::Error to_error(Napi::Env env, const failure & error) {
    const Napi::HandleScope scope(env);
    Napi::Object details = Napi::Object::New(env);
    for (const auto & [key, value] : error.details()) details.Set(key, to_value(env, value));
    const environment & data = environment::of(env);
    const auto code = Napi::String::New(env, error_code_name(error.code()));
    if (data.create_error.IsEmpty()) {
        // Before `initialize`: the class is not known yet.
        Napi::Error plain = Napi::Error::New(env, error.what());
        plain.Set("code", code);
        plain.Set("details", details);
        return plain;
    }
    const Napi::Value value = data.create_error.Call({ code, Napi::String::New(env, error.what()), details });
    return Napi::Error(env, value);
}

}  // namespace overfill
