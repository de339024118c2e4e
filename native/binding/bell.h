// A thread-safe function without arguments: other threads ring, and the JavaScript thread comes to look.
#pragma once

#include <napi.h>

#include <functional>

namespace overfill {

class bell {
  public:
    // JavaScript thread; what `on_ring` throws becomes an uncaught exception. It gets `function` back.
    using handler = std::function<void(Napi::Env env, Napi::Function function)>;

    // JavaScript thread. `function` may be empty; it is kept for as long as the bell. `on_ring` may still be called
    // when the bell has gone. A bell does not keep the process alive unless `ref` says so.
    bell(Napi::Env env, Napi::Function function, handler on_ring);
    ~bell();
    bell(const bell &) = delete;
    bell & operator=(const bell &) = delete;

    // Any thread. Never waits; false: the environment is ending, or there was no memory.
    bool ring() const noexcept;

    // JavaScript thread.
    void ref(Napi::Env env);
    void unref(Napi::Env env);

    // At the end of the environment, which frees the function itself. Nobody may ring from here on.
    void forget() { function_ = nullptr; }

  private:
    static void on_call(napi_env env, napi_value function, void * context, void *);

    napi_threadsafe_function function_ = nullptr;
};

}  // namespace overfill
