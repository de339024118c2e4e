// One model's context for reading given tokens into a cache of its own, as fitting and measuring need it: one sequence,
// caches in f32, no sampling.
#pragma once

#include "models.h"

#include <atomic>
#include <cstdint>
#include <vector>

namespace overfill {

struct reader_options {
    uint32_t largest_batch = 512;  // tokens
    // Off: attention is computed in f32 throughout (llama.cpp's flash attention is not, on the CPU), and V is stored
    // transposed.
    bool flash_attention = true;
};

class token_reader {
  public:
    // Room for `n_tokens` tokens. `stop` ends a computation that runs. Throws ERR_OUT_OF_MEMORY, or
    // ERR_MODEL_UNSUPPORTED for a model whose memory is no KV cache.
    token_reader(llama_model * model, uint32_t n_tokens, int32_t n_threads, const std::atomic<bool> & stop,
                 const reader_options & options = {});
    ~token_reader();
    token_reader(const token_reader &) = delete;
    token_reader & operator=(const token_reader &) = delete;

    llama_context * context() const { return ctx_.get(); }
    const llama_vocab * vocab() const { return llama_model_get_vocab(llama_get_model(ctx_.get())); }

    void clear();
    // Only the tokens before this position stay.
    void forget_from(llama_pos position);

    // Reads tokens at the positions from `position` on. Throws error_code::aborted, ERR_INFERENCE_FAILED or
    // ERR_OUT_OF_MEMORY.
    void read(const llama_token * tokens, uint32_t n, llama_pos position);

    // Reads at most largest_batch tokens; the logits of those from the `first`-th on, [n - first][n_vocab], live until
    // the next reading.
    const float * read_with_logits(const llama_token * tokens, uint32_t n, llama_pos position, uint32_t first);

    // Reads all but the last token, and gives the sum of -ln p(next token) over the n - 1 tokens that follow one.
    double read_and_score(const llama_token * tokens, uint32_t n, llama_pos position);

  private:
    // Gives the logits of the tokens from the `first_logits`-th on.
    void decode(const llama_token * tokens, uint32_t n, llama_pos position, uint32_t first_logits);

    context_ptr ctx_;
    llama_batch batch_{};
    uint32_t n_batch_;
    const std::atomic<bool> & stop_;
};

}  // namespace overfill
