#include "model_loss.h"

#include "chunk_sample.h"
#include "corpus.h"
#include "failure.h"
#include "token_reader.h"

#include <algorithm>
#include <cmath>
#include <optional>

namespace overfill {

static constexpr uint32_t default_window = 512;

[[noreturn]] static void refuse(const std::string & option, const std::string & why) {
    throw failure(error_code::invalid_argument, "options." + option + ": " + why,
                  { { "parameter", "options." + option } });
}

token_windows collect_windows(const std::string & text_path, const llama_model * model, uint32_t window,
                              const std::function<void(double fraction)> & on_progress) {
    const auto trained = (uint32_t) llama_model_n_ctx_train(model);
    if (window > trained)
        refuse("window", "the model was trained on " + std::to_string(trained) + " tokens, fewer than the " +
                             std::to_string(window) + " of a window");
    if (window == 0) window = std::min(default_window, trained);
    corpus text(text_path, llama_model_get_vocab(model), window);
    chunk_sample sample;
    for (std::vector<llama_token> chunk = text.next(); chunk.size() == window; chunk = text.next()) {
        sample.offer(chunk);
        on_progress(text.fraction());
    }
    if (sample.chunks().empty())
        refuse("text", "the text is shorter than one window of " + std::to_string(window) + " tokens");
    return sample.chunks();
}

model_loss measure_loss(llama_model * model, const token_windows & windows, int32_t n_threads,
                        const std::function<void(double fraction)> & on_progress, const std::atomic<bool> & stop) {
    size_t longest = 0;
    for (const auto & window : windows) longest = std::max(longest, window.size());
    std::optional<token_reader> reader;
    {
        // A context sets up its devices' back ends too.
        const auto turn = wait_for_load_turn([&](float) { return !stop; });
        reader.emplace(model, (uint32_t) longest, n_threads, stop);
    }
    model_loss loss;
    double sum = 0;
    for (size_t i = 0; i < windows.size(); i++) {
        on_progress((double) i / (double) windows.size());
        reader->clear();
        sum += reader->read_and_score(windows[i].data(), (uint32_t) windows[i].size(), 0);
        loss.n_tokens += windows[i].size() - 1;
    }
    on_progress(1);
    loss.nats = sum / (double) loss.n_tokens;
    if (!std::isfinite(loss.nats))
        throw failure(error_code::inference_failed, "the model's logits are not finite numbers");
    return loss;
}

}  // namespace overfill
