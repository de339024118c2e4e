#include "context_memory.h"

#include "failure.h"
#include "private_members.h"

#include <string>

namespace overfill {

void follow_memory_size(llama_context * ctx, const llama_context * source) {
    llama_cparams & cparams = ctx->*get(reach::context_cparams());
    const llama_cparams & theirs = source->get_cparams();
    cparams.n_ctx = theirs.n_ctx;
    cparams.n_ctx_seq = theirs.n_ctx_seq;
    cparams.n_seq_max = theirs.n_seq_max;
    cparams.n_rs_seq = theirs.n_rs_seq;
    cparams.kv_unified = theirs.kv_unified;
}

void use_memory(llama_context * ctx, std::unique_ptr<llama_memory_i> memory) {
    (ctx->*get(reach::context_memory())) = std::move(memory);
    (ctx->*get(reach::context_need_reserve())) = true;
    try {
        ctx->sched_reserve();
    } catch (const std::exception & error) {
        throw failure(error_code::out_of_memory,
                      std::string("not enough memory for the decode model's compute buffers: ") + error.what());
    }
}

}  // namespace overfill
