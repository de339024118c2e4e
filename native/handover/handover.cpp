#include "handover.h"

#include "failure.h"
#include "llama_log.h"

namespace overfill {

uint64_t copy_sequence(llama_context * from, llama_context * to, llama_seq_id sequence,
                       std::vector<uint8_t> & scratch) {
    llama_memory_seq_rm(llama_get_memory(to), sequence, -1, -1);

    const size_t n_bytes = llama_state_seq_get_size(from, sequence);
    scratch.resize(n_bytes);
    const log_capture log;
    if (llama_state_seq_get_data(from, scratch.data(), n_bytes, sequence) == n_bytes &&
        llama_state_seq_set_data(to, scratch.data(), n_bytes, sequence) == n_bytes)
        return n_bytes;

    llama_memory_seq_rm(llama_get_memory(to), sequence, -1, -1);
    throw failure(error_code::inference_failed, "the KV cache could not be copied: " + log.errors());
}

}  // namespace overfill
