// What belongs to one JavaScript environment (the main thread or one worker): the constructors and the function that
// makes the package's own errors.
#pragma once

#include "failure.h"

#include <napi.h>

#include <string>

namespace overfill {

struct environment {
    Napi::FunctionReference create_error;
    std::string cuda_library;  // its file; empty: there is none
    Napi::FunctionReference pair_class;
    Napi::FunctionReference session_class;
    Napi::FunctionReference stream_class;
    Napi::FunctionReference job_class;

    static environment & of(Napi::Env env) { return *env.GetInstanceData<environment>(); }
};

// The failure as an instance of the package's error class.
Napi::Error to_error(Napi::Env env, const failure & error);

// Runs `body` and lets a failure leave it as a JavaScript exception.
template <class F> auto guarded(Napi::Env env, F && body) -> decltype(body()) {
    try {
        return body();
    } catch (const Napi::Error &) {
        throw;
    } catch (...) {
        throw to_error(env, current_failure());
    }
}

}  // namespace overfill
