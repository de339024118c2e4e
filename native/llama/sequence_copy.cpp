#include "sequence_copy.h"

#include "llama-context.h"

namespace overfill {

void copy_sequence(llama_context * ctx, llama_seq_id from, llama_seq_id to) {
    const llama_memory_t memory = llama_get_memory(ctx);
    llama_memory_seq_rm(memory, to, -1, -1);
    llama_memory_seq_cp(memory, from, to, -1, -1);
    // A copy between streams waits in the memory object for its next update. Others that write the cells, a handover or
    // a second cache object, do not know of it.
    ctx->memory_update(false);
}

}  // namespace overfill
