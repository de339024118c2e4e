#include "environment.h"

#include "entry.h"

#include <new>
#include <utility>

namespace overfill {

end_hook::end_hook(Napi::Env env, std::function<void()> end) : env_(env), end_(std::move(end)) {
    environment & data = environment::of(env);
    if (data.ending) throw failure(error_code::disposed, "the process is ending");
    all_ = data.end_hooks;
    all_->insert(this);
    if (napi_add_env_cleanup_hook(env, on_environment_end, this) != napi_ok) {
        all_->erase(this);
        throw failure(error_code::internal, "Node-API refused a cleanup hook");
    }
}

end_hook::~end_hook() {
    all_->erase(this);
    if (env_) napi_remove_env_cleanup_hook(env_, on_environment_end, this);
}

void end_hook::call() {
    if (const auto end = std::exchange(end_, nullptr)) end();
}

void end_hook::on_environment_end(void * data) {
    auto * self = static_cast<end_hook *>(data);
    self->env_ = nullptr;  // the hook is used up
    self->call();
}

void environment::end_threads() {
    ending = true;
    const std::unordered_set<end_hook *> now = *end_hooks;
    for (end_hook * hook : now) hook->call();
}

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

// node-addon-api makes plain errors of what a constructor throws, with nothing but its message.
Napi::Error with_code(Napi::Env env, const Napi::Error & error) {
    if (error.Message() != std::bad_alloc().what()) return error;
    return to_error(env, failure(error_code::out_of_memory, "out of memory"));
}

static void throw_into(napi_env env, const Napi::Error & error) {
    bool pending = false;
    // An ending environment refuses, by a status that differs between runtimes; either way there is nothing to be done.
    if (napi_is_exception_pending(env, &pending) == napi_ok && !pending) napi_throw(env, error.Value());
}

void throw_current_into(napi_env env) noexcept {
    try {
        try {
            throw;
        } catch (const Napi::Error & error) {
            throw_into(env, with_code(env, error));
        } catch (...) {
            throw_into(env, to_error(env, current_failure()));
        }
    } catch (const Napi::Error & error) {
        // The error could not be made: what its making threw is told in its place, or the environment is ending.
        napi_value value = nullptr;
        if (napi_get_reference_value(env, error, &value) == napi_ok && value) napi_throw(env, value);
    } catch (...) {
        // No memory for an error object.
        napi_throw_error(env, "ERR_OUT_OF_MEMORY", "out of memory");
    }
}

}  // namespace overfill
