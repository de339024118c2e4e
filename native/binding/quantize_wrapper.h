// The JavaScript side of quantising: its two jobs.
#pragma once

#include <napi.h>

namespace overfill {

// (options, onProgress): a NativeJob each, which begins at once.
Napi::Value begin_quantize(const Napi::CallbackInfo & info);
Napi::Value begin_measure_matrix(const Napi::CallbackInfo & info);

}  // namespace overfill
