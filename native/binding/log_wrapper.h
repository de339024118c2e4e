// The JavaScript side of llama.cpp's log: a listener of one environment.
#pragma once

#include "environment.h"

#include <napi.h>

#include <memory>

namespace overfill {

class log_wrapper : public Napi::ObjectWrap<log_wrapper> {
  public:
    static Napi::Function define(Napi::Env env);

    // (level, onLine): a NativeLog. `onLine(level, line)` is called until `stop`, for lines of that level and above.
    static Napi::Value listen(const Napi::CallbackInfo & info);

    explicit log_wrapper(const Napi::CallbackInfo & info);
    void Finalize(Napi::BasicEnv env) override;

  private:
    class listener;

    Napi::Value stop(const Napi::CallbackInfo & info);

    std::shared_ptr<listener> listener_;
    std::unique_ptr<end_hook> hook_;
};

}  // namespace overfill
