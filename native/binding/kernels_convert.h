// Which matrix kernels a pair uses, for JavaScript.
#pragma once

#include "models.h"

#include <napi.h>

namespace overfill {

Napi::Value from_kernels(Napi::Env env, const kernel_use & use);

}  // namespace overfill
