// The next-token loss of two-stage inference on given text: the prefill model reads the first half of a chunk, its
// cache is handed over, and the decode model reads on. As in `generate`, the first token behind the prompt is not the
// decode model's: what counts are the tokens after it.
#pragma once

#include "token_reader.h"
#include "translate_handover.h"

#include <optional>
#include <vector>

namespace overfill {

struct loss_sum {
    double nats = 0;
    uint64_t n_tokens = 0;
    double mean() const { return n_tokens > 0 ? nats / (double) n_tokens : 0; }
};

class two_stage_loss {
  public:
    // Through this translator. Throws what resolve_translation and translate_handover throw.
    two_stage_loss(token_reader & prefill, token_reader & decode, const translator & translator, int32_t n_threads);

    // Adds a chunk of at least four tokens. `is_read`: the prefill model holds its first half already.
    void add(const std::vector<llama_token> & chunk, bool is_read);
    const loss_sum & sum() const { return sum_; }

    static uint32_t prompt_size(const std::vector<llama_token> & chunk) { return (uint32_t) chunk.size() / 2; }

  private:
    token_reader & prefill_;
    token_reader & decode_;
    translate_handover handover_;
    loss_sum sum_;
};

// The loss of the decode model by itself on the same tokens, with the first half of the chunk as its prompt or without.
void add_loss_alone(token_reader & decode, const std::vector<llama_token> & chunk, bool with_prompt, loss_sum & sum);

}  // namespace overfill
