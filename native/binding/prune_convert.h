// Between JavaScript values and the plain structs of the prune room. The shapes are those of
// lib/internal/binding-types.ts (NativePruneOptions and so on).
#pragma once

#include "architecture.h"
#include "prune.h"

#include <napi.h>

#include <vector>

namespace overfill {

prune_options to_prune_options(const Napi::Object & from);
importance_options to_importance_options(const Napi::Object & from);
pad_options to_pad_options(const Napi::Object & from);

Napi::Value from_prune_result(Napi::Env env, const prune_result & result);
Napi::Value from_importance(Napi::Env env, const importance & measured);
Napi::Value from_pad_result(Napi::Env env, const pad_result & result);
Napi::Value from_architectures(Napi::Env env, const std::vector<architecture> & rows);

}  // namespace overfill
