// One llama_decode, its outcome as this package's errors.
#pragma once

#include <llama.h>

#include <atomic>

namespace overfill {

// Throws error_code::aborted (also if `stop` is set already), ERR_OUT_OF_MEMORY or ERR_INFERENCE_FAILED.
void run_batch(llama_context * ctx, const llama_batch & batch, const std::atomic<bool> & stop);

}  // namespace overfill
