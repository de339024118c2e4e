// What `switch` tells about itself. Sharing moves nothing: it was set up at load time (llama/cache_sharing.h).
// Everything else is translated (translate_handover.h).
#pragma once

#include "pair_plan.h"

#include <cstdint>
#include <string>

namespace overfill {

struct handover_report {
    std::string writer;  // the name of the model that is to write
    handover_kind kind = handover_kind::share;
    const char * implementation = "share";  // "share", "cpu", "graph", "cuda" or "metal"
    std::string reason;                     // why this one
    uint64_t n_bytes = 0;                   // written
    uint32_t n_tokens = 0;                  // handed over
    double milliseconds = 0;
    double milliseconds_ahead = 0;  // for the part of the bytes that prefills have moved; see pair::handed_ahead
};

}  // namespace overfill
