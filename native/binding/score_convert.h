// What scoring takes and gives, to and from JavaScript.
#pragma once

#include "score.h"

#include <napi.h>

#include <vector>

namespace overfill {

// Of an Int32Array with two values a row: the reader (0 prefill, 1 decode, 2 two-stage) and the refresh interval.
std::vector<score_row> to_score_rows(const Napi::Value & from);
Napi::Value from_score_result(Napi::Env env, const score_result & result);

}  // namespace overfill
