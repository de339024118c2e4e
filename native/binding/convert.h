// Between JavaScript values and the engine's plain structs. The shapes are those of lib/internal/binding-types.ts.
#pragma once

#include "devices.h"
#include "options.h"
#include "pair.h"
#include "prompt.h"
#include "token_stream.h"

#include <napi.h>

#include <string>
#include <vector>

namespace overfill {

pair_options to_pair_options(const Napi::Object & from, bool with_runtime);
prefill_options to_prefill_options(const Napi::Object & from);
decode_options to_decode_options(const Napi::Object & from);
// A text or token ids.
prompt_input to_prompt(const Napi::Value & from);
std::vector<llama_token> to_tokens(const Napi::Value & from);

Napi::Value from_tokens(Napi::Env env, const std::vector<llama_token> & tokens);
Napi::Value from_devices(Napi::Env env, const std::vector<device_info> & devices);
// What is known of a pair without loading it.
Napi::Value from_inspection(Napi::Env env, const pair_info & info);
Napi::Value from_pair_info(Napi::Env env, const pair_info & info);
Napi::Value from_prefill_result(Napi::Env env, const prefill_result & result);
Napi::Value from_handover_report(Napi::Env env, const handover_report & report);
Napi::Value from_stats(Napi::Env env, const session_stats & stats);
Napi::Value from_reading(Napi::Env env, const token_stream::reading & reading);

}  // namespace overfill
