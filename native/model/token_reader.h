// One model's context for reading given tokens into a cache of its own, as fitting and measuring need it: one sequence,
// caches in f32, no sampling.
#pragma once

#include "models.h"

#include <atomic>
#include <cstdint>
#include <vector>

namespace overfill {

class token_reader {
  public:
    // Room for `n_tokens` tokens. `stop` ends a computation that runs. Throws ERR_OUT_OF_MEMORY, or
    // ERR_MODEL_UNSUPPORTED for a model whose memory is no KV cache.
    token_reader(llama_model * model, uint32_t n_tokens, int32_t n_threads, const std::atomic<bool> & stop);
    ~token_reader();
    token_reader(const token_reader &) = delete;
    token_reader & operator=(const token_reader &) = delete;

    llama_context * context() const { return ctx_.get(); }
    const llama_vocab * vocab() const { return llama_model_get_vocab(llama_get_model(ctx_.get())); }

    void clear();

    // Reads tokens at the positions from `position` on. Throws error_code::aborted, ERR_INFERENCE_FAILED or
    // ERR_OUT_OF_MEMORY.
    void read(const llama_token * tokens, uint32_t n, llama_pos position);

    // Reads all but the last token, and gives the sum of -ln p(next token) over the n - 1 tokens that follow one.
    double read_and_score(const llama_token * tokens, uint32_t n, llama_pos position);

  private:
    void decode(const llama_token * tokens, uint32_t n, llama_pos position, bool want_logits);

    context_ptr ctx_;
    llama_batch batch_{};
    uint32_t n_batch_;
    const std::atomic<bool> & stop_;
};

}  // namespace overfill
