// The JavaScript side of translators: fitting one, and the reading of a translator file.
#pragma once

#include <napi.h>

namespace overfill {

// (options, onProgress): a NativeJob; the fit begins at once.
Napi::Value begin_fit(const Napi::CallbackInfo & info);

// (path): a NativeJob of what the translator file holds, or of undefined if the file is not a translator.
Napi::Value inspect_translator(const Napi::CallbackInfo & info);

}  // namespace overfill
