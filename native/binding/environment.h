// What belongs to one JavaScript environment (the main thread or one worker): the constructors, the function that makes
// the package's own errors, and who has threads to be ended with the environment.
#pragma once

#include "failure.h"
#include "joined_thread.h"

#include <napi.h>

#include <functional>
#include <memory>
#include <string>
#include <unordered_set>

namespace overfill {

// Ends what has threads of its own: at the end of the environment, or before, when the process begins to end. Belongs
// to the object whose threads they are, as a member that goes before what `end` touches.
class end_hook {
  public:
    // `end` is called at most once, on the JavaScript thread, and never after this object has gone. Hooks are called in
    // the opposite order of their making, and before the thread-safe functions that were made before them are freed.
    end_hook(Napi::Env env, std::function<void()> end);
    ~end_hook();
    end_hook(const end_hook &) = delete;
    end_hook & operator=(const end_hook &) = delete;

    void call();

  private:
    static void on_environment_end(void * self);

    napi_env env_;
    std::function<void()> end_;
    std::shared_ptr<std::unordered_set<end_hook *>> all_;
};

struct environment {
    Napi::FunctionReference create_error;
    std::string cuda_library;  // its file; empty: there is none
    Napi::FunctionReference pair_class;
    Napi::FunctionReference session_class;
    Napi::FunctionReference stream_class;
    Napi::FunctionReference job_class;
    Napi::FunctionReference log_class;
    // Shared with the hooks, which may go later.
    std::shared_ptr<std::unordered_set<end_hook *>> end_hooks = std::make_shared<std::unordered_set<end_hook *>>();
    bool ending = false;

    // Ends all threads of the environment, and lets no more begin.
    void end_threads();

    static environment & of(Napi::Env env) { return *env.GetInstanceData<environment>(); }
};

// The failure as an instance of the package's error class.
Napi::Error to_error(Napi::Env env, const failure & error);
// The error itself, or ERR_OUT_OF_MEMORY for a std::bad_alloc that came through node-addon-api.
Napi::Error with_code(Napi::Env env, const Napi::Error & error);

}  // namespace overfill
