// Between JavaScript values and the plain structs of the train room. The shapes are those of
// lib/internal/binding-types.ts (NativeHealOptions and so on).
#pragma once

#include "heal.h"

#include <napi.h>

namespace overfill {

heal_options to_heal_options(const Napi::Object & from);
new_model_options to_new_model_options(const Napi::Object & from);

Napi::Value from_heal_progress(Napi::Env env, const heal_progress & progress);
Napi::Value from_bad_line(Napi::Env env, const bad_line & line);
Napi::Value from_evaluation(Napi::Env env, const evaluation & measured);
Napi::Value from_heal_estimate(Napi::Env env, const heal_estimate & estimate);
Napi::Value from_heal_result(Napi::Env env, const heal_result & result);
Napi::Value from_new_model_result(Napi::Env env, const new_model_result & result);

}  // namespace overfill
