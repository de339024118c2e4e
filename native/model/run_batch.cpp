#include "run_batch.h"

#include "failure.h"
#include "llama_log.h"

#include <string>

namespace overfill {

void run_batch(llama_context * ctx, const llama_batch & batch, const std::atomic<bool> & stop) {
    if (stop) throw failure(error_code::aborted, "aborted");
    const log_capture log;
    const int32_t status = llama_decode(ctx, batch);
    if (status == 0) return;
    if (status == 2) throw failure(error_code::aborted, "aborted");
    throw failure(status == -2 ? error_code::out_of_memory : error_code::inference_failed,
                  "llama.cpp failed with status " + std::to_string(status) + ": " + log.errors(),
                  { { "status", status } });
}

}  // namespace overfill
