#include "token_reader.h"

#include "failure.h"
#include "llama_log.h"
#include "memory_traits.h"
#include "run_batch.h"
#include "token_loss.h"

#include <algorithm>

namespace overfill {

// Tokens scored at once: the logits of a whole chunk would take hundreds of megabytes.
static constexpr uint32_t n_scored_at_once = 64;

token_reader::token_reader(llama_model * model, uint32_t n_tokens, int32_t n_threads, const std::atomic<bool> & stop,
                           const reader_options & options)
    : n_batch_(std::min(n_tokens, options.largest_batch)), stop_(stop) {
    llama_context_params params = llama_context_default_params();
    params.n_ctx = GGML_PAD(n_tokens, 256);
    params.n_batch = params.n_ubatch = n_batch_;
    params.n_seq_max = 1;
    params.n_threads = params.n_threads_batch = n_threads;
    params.type_k = params.type_v = GGML_TYPE_F32;
    if (!options.flash_attention) params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
    params.swa_full = true;  // every position stays in the cache
    params.no_perf = true;
    const memory_traits memory = memory_traits_of(model);
    if (!memory.can_be_translated())
        throw failure(error_code::model_unsupported,
                      "the model's memory is not a KV cache that can be read: " + memory.name(),
                      { { "memory", memory.name() } });
    const log_capture log;
    ctx_.reset(llama_init_from_model(model, params));
    if (!ctx_) throw failure(error_code::out_of_memory, "could not create a context for the model: " + log.errors());
    llama_set_abort_callback(
        ctx_.get(), [](void * stop) { return static_cast<const std::atomic<bool> *>(stop)->load(); },
        const_cast<std::atomic<bool> *>(&stop_));
    batch_ = llama_batch_init((int32_t) n_batch_, 0, 1);
    if (!batch_.token) throw failure(error_code::out_of_memory, "not enough memory for a batch");
}

token_reader::~token_reader() {
    if (batch_.token) llama_batch_free(batch_);
}

void token_reader::clear() { llama_memory_clear(llama_get_memory(ctx_.get()), /*data*/ false); }

void token_reader::forget_from(llama_pos position) {
    llama_memory_seq_rm(llama_get_memory(ctx_.get()), 0, position, -1);
}

void token_reader::read(const llama_token * tokens, uint32_t n, llama_pos position) {
    for (uint32_t i = 0; i < n; i += n_batch_) {
        const uint32_t n_step = std::min(n_batch_, n - i);
        decode(tokens + i, n_step, position + (llama_pos) i, n_step);
    }
}

const float * token_reader::read_with_logits(const llama_token * tokens, uint32_t n, llama_pos position,
                                             uint32_t first) {
    decode(tokens, n, position, first);
    return llama_get_logits_ith(ctx_.get(), (int32_t) first);
}

double token_reader::read_and_score(const llama_token * tokens, uint32_t n, llama_pos position) {
    const uint32_t step = std::min(n_batch_, n_scored_at_once);
    const int32_t n_vocab = llama_vocab_n_tokens(vocab());
    double sum = 0;
    for (uint32_t i = 0; i + 1 < n; i += step) {
        const uint32_t n_step = std::min(step, n - 1 - i);
        decode(tokens + i, n_step, position + (llama_pos) i, 0);
        for (uint32_t j = 0; j < n_step; j++)
            sum += token_loss(llama_get_logits_ith(ctx_.get(), (int32_t) j), n_vocab, tokens[i + j + 1]);
    }
    return sum;
}

void token_reader::decode(const llama_token * tokens, uint32_t n, llama_pos position, uint32_t first_logits) {
    batch_.n_tokens = (int32_t) n;
    for (uint32_t i = 0; i < n; i++) {
        batch_.token[i] = tokens[i];
        batch_.pos[i] = position + (llama_pos) i;
        batch_.n_seq_id[i] = 1;
        batch_.seq_id[i][0] = 0;
        batch_.logits[i] = i >= first_logits;
    }
    run_batch(ctx_.get(), batch_, stop_);
}

}  // namespace overfill
