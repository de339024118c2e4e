#include "sequence_state.h"

#include "failure.h"
#include "llama-context.h"
#include "llama_log.h"
#include "private_members.h"

namespace overfill {

static llama_state_seq_flags flags_of(state_part part) {
    return part == state_part::all ? LLAMA_STATE_SEQ_FLAGS_NONE : LLAMA_STATE_SEQ_FLAGS_PARTIAL_ONLY;
}

std::vector<uint8_t> save_sequence(llama_context * ctx, llama_seq_id sequence, state_part part) {
    const log_capture log;
    std::vector<uint8_t> out(llama_state_seq_get_size_ext(ctx, sequence, flags_of(part)));
    const size_t n = llama_state_seq_get_data_ext(ctx, out.data(), out.size(), sequence, flags_of(part));
    if (out.empty() || n != out.size())
        throw failure(error_code::internal, "a session's state could not be saved: " + log.errors());
    return out;
}

bool restore_sequence(llama_context * ctx, llama_seq_id sequence, const std::vector<uint8_t> & state, state_part part) {
    const log_capture log;
    return llama_state_seq_set_data_ext(ctx, state.data(), state.size(), sequence, flags_of(part)) == state.size();
}

void set_sequence_size(llama_context * ctx, uint32_t n_tokens) {
    (ctx->*get(reach::context_cparams())).n_ctx_seq = n_tokens;
}

}  // namespace overfill
