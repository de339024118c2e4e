// How far a job of this room has come.
#pragma once

#include <cstdint>

namespace overfill {

enum class quantize_stage { loading, calibrating, writing };

struct quantize_progress {
    quantize_stage stage;
    double fraction;    // of the stage
    uint64_t n_tokens;  // calibrated so far
};

}  // namespace overfill
