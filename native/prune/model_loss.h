// The next-token loss of one model alone on windows of a text.
#pragma once

#include "models.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace overfill {

using token_windows = std::vector<std::vector<llama_token>>;

// At most 32 windows of `window` tokens (0: 512, or what the model was trained on if that is less), spread evenly over
// the text. A shorter end is left out. `on_progress`: the share of the text; it throws to stop. Throws
// ERR_FILE_READ_FAILED, or ERR_INVALID_ARGUMENT for a text shorter than one window and for windows longer than the
// model's training.
token_windows collect_windows(const std::string & text_path, const llama_model * model, uint32_t window,
                              const std::function<void(double fraction)> & on_progress);

struct model_loss {
    double nats = 0;  // a token
    uint64_t n_tokens = 0;
};

// Windows of at least two tokens. Throws the codes of token_reader, and ERR_INFERENCE_FAILED for logits that are no
// finite numbers.
model_loss measure_loss(llama_model * model, const token_windows & windows, int32_t n_threads,
                        const std::function<void(double fraction)> & on_progress, const std::atomic<bool> & stop);

}  // namespace overfill
