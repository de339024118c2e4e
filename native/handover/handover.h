// What `switch` does to the KV cache. Sharing moves nothing: it was set up at load time (llama/cache_sharing.h). The
// whole-cache copy moves one sequence between two caches of equal shape through llama.cpp's own sequence state.
#pragma once

#include "pair_plan.h"

#include <llama.h>

#include <cstdint>
#include <string>
#include <vector>

namespace overfill {

struct handover_report {
    handover_kind kind = handover_kind::share;
    const char * implementation = "share";  // "share" or "copy"
    std::string reason;                     // why this one
    uint64_t n_bytes = 0;                   // moved
    uint32_t n_tokens = 0;                  // handed over
    double milliseconds = 0;
};

// Replaces the sequence in `to` by a copy of it in `from` and returns the bytes moved. `scratch` is kept by the caller
// so that a later copy allocates nothing. On failure the sequence in `to` is empty, `from` untouched, and the error is
// ERR_INFERENCE_FAILED or ERR_OUT_OF_MEMORY.
uint64_t copy_sequence(llama_context * from, llama_context * to, llama_seq_id sequence, std::vector<uint8_t> & scratch);

}  // namespace overfill
