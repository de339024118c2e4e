// The JavaScript side of pruning: its three jobs, the reading of an importance file, and the architecture table.
#pragma once

#include <napi.h>

namespace overfill {

// (options, onProgress): a NativeJob each, which begins at once.
Napi::Value begin_prune(const Napi::CallbackInfo & info);
Napi::Value begin_measure_importance(const Napi::CallbackInfo & info);
Napi::Value begin_pad(const Napi::CallbackInfo & info);

// (path): a NativeJob of the scores in the file, or of undefined if the file holds no importance.
Napi::Value inspect_importance(const Napi::CallbackInfo & info);

Napi::Value prunable_architectures(const Napi::CallbackInfo & info);

}  // namespace overfill
