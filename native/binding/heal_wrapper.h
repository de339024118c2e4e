// The JavaScript side of training: its job, and the making of a model to be trained from scratch.
#pragma once

#include <napi.h>

namespace overfill {

// (options, listener): a NativeJob, which begins at once. The listener gets the name of an event and its value.
Napi::Value begin_heal(const Napi::CallbackInfo & info);

// The same, of what the training would take.
Napi::Value begin_estimate_heal(const Napi::CallbackInfo & info);

// (options): a NativeJob of what was written.
Napi::Value begin_create_model(const Napi::CallbackInfo & info);

}  // namespace overfill
