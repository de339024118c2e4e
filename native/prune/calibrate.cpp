#include "calibrate.h"

#include "activation_capture.h"
#include "activation_sums.h"
#include "chunk_sample.h"
#include "corpus.h"
#include "failure.h"
#include "llama_log.h"
#include "model_traits.h"
#include "run_batch.h"
#include "token_loss.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

namespace overfill {

namespace {

constexpr uint32_t default_window = 512;
constexpr uint32_t smallest_window = 2;  // a BOS token and one to predict
// Tokens of a micro-batch. Each has its logits in memory, which is what a larger one costs.
constexpr uint32_t default_batch = 512;
constexpr uint32_t largest_batch = 2048;

[[noreturn]] void refuse(const std::string & option, const std::string & why) {
    throw failure(error_code::invalid_argument, "options." + option + ": " + why,
                  { { "parameter", "options." + option } });
}

const architecture & row_of(const model_traits & model) {
    const auto refuse = [&](const std::string & why) {
        throw failure(error_code::prune_unsupported,
                      "models of the architecture '" + model.architecture + "' cannot be pruned" + why,
                      { { "architecture", model.architecture } });
    };
    if (!model.memory.can_be_translated())
        refuse(": pruning knows KV caches only, and their memory is another: " + model.memory.name());
    const architecture * row = find_architecture(model.architecture);
    if (!row) refuse("");
    return *row;
}

class calibrating {
  public:
    calibrating(llama_model * model, const calibrate_options & options,
                const std::function<void(double, uint64_t)> & on_progress, const std::atomic<bool> & stop)
        : model_(model), options_(options), on_progress_(on_progress), stop_(stop), traits_(traits_of(model)),
          capture_(row_of(traits_).norms, traits_.n_layer,
                   [this](activation what, uint32_t layer, const float * rows, size_t n_columns, size_t n_rows) {
                       sums_->add(what, layer, rows, n_columns, n_rows);
                   }),
          held_out_(options.max_held_out) {}
    ~calibrating() {
        if (batch_.token) llama_batch_free(batch_);
    }
    calibrating(const calibrating &) = delete;
    calibrating & operator=(const calibrating &) = delete;

    calibration run() {
        choose_sizes();
        check_text_file(options_.text_path);
        make_context();
        importance & out = out_.measured;
        out.architecture = traits_.architecture;
        out.text_name = std::filesystem::u8path(options_.text_path).filename().u8string();
        out.n_embd = traits_.n_embd;
        out.n_ff = traits_.n_ff;
        out.n_head = traits_.n_head;
        out.n_layer = traits_.n_layer;
        out.window = window_;
        sums_ = std::make_unique<activation_sums>(out, window_, n_windows_);
        read_text();
        out_.held_out.assign(held_out_.chunks().begin(), held_out_.chunks().end());
        return std::move(out_);
    }

  private:
    void choose_sizes() {
        const uint32_t trained = traits_.n_ctx_train;
        window_ = options_.window ? options_.window : std::min(default_window, trained);
        if (window_ < smallest_window)
            refuse("window", "a window has at least " + std::to_string(smallest_window) + " tokens");
        if (window_ > trained)
            refuse("window", "the model was trained on " + std::to_string(trained) + " tokens, fewer than the " +
                                 std::to_string(window_) + " of a window");
        const uint32_t largest = options_.windows_per_batch ? largest_batch : default_batch;
        const uint32_t wished = options_.windows_per_batch ? options_.windows_per_batch : default_batch;
        n_windows_ = std::min({ wished, std::max(1u, largest / window_), (uint32_t) llama_max_parallel_sequences() });
        n_batch_ = std::min(n_windows_ * window_, largest);
    }

    // One sequence a window, in one cache, so that a batch is one micro-batch with the tokens in the order given. The
    // types and attention are those of the tightest arithmetic.
    void make_context() {
        llama_context_params params = llama_context_default_params();
        params.n_ctx = GGML_PAD(n_windows_ * window_, 256);
        params.n_batch = params.n_ubatch = n_batch_;
        params.n_seq_max = n_windows_;
        params.n_threads = params.n_threads_batch = options_.n_threads;
        params.type_k = params.type_v = GGML_TYPE_F32;
        params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
        params.kv_unified = true;
        params.swa_full = true;
        params.no_perf = true;
        params.cb_eval = activation_capture::callback;
        params.cb_eval_user_data = &capture_;
        params.abort_callback = [](void * self) {
            const calibrating & run = *static_cast<const calibrating *>(self);
            return run.stop_ || run.capture_.has_failed();
        };
        params.abort_callback_data = this;
        const log_capture log;
        ctx_.reset(llama_init_from_model(model_, params));
        if (!ctx_)
            throw failure(error_code::out_of_memory, "could not create a context for the model: " + log.errors());
        batch_ = llama_batch_init((int32_t) n_batch_, 0, 1);
        if (!batch_.token) throw failure(error_code::out_of_memory, "not enough memory for a batch");
    }

    void read_text() {
        corpus text(options_.text_path, llama_model_get_vocab(model_), window_);
        std::vector<std::vector<llama_token>> windows;
        uint64_t n_read = 0, n_taken = 0;
        bool ended = false;
        while (!ended) {
            std::vector<llama_token> window = text.next();
            ended = window.size() < window_;  // the text's last window; seldom a whole one
            if (!ended) {
                if (is_held_out(n_read++)) {
                    held_out_.offer(window);
                } else {
                    windows.push_back(std::move(window));
                    ended = ++n_taken == options_.max_samples;
                }
            }
            if (windows.empty() || (windows.size() < n_windows_ && !ended)) continue;
            measure(windows);
            windows.clear();
            const double of_limit = options_.max_samples ? (double) n_taken / (double) options_.max_samples : 0;
            report(std::min(1.0, std::max(text.fraction(), of_limit)));
        }
        if (n_taken == 0)
            refuse("text", "the text is shorter than one window of " + std::to_string(window_) + " tokens");
        report(1);
    }

    // The second one is the first held out, so that a text of two windows has one.
    bool is_held_out(uint64_t index) const {
        const uint32_t period = options_.held_out_period;
        return period > 0 && index > 0 && index % period == 1 % period;
    }

    void report(double fraction) const {
        if (stop_) throw failure(error_code::aborted, "aborted");
        on_progress_(fraction, out_.measured.n_tokens);
    }

    void measure(const std::vector<std::vector<llama_token>> & windows) {
        using part = activation_sums::part;
        llama_memory_clear(llama_get_memory(ctx_.get()), /*data*/ false);
        if (window_ <= n_batch_) {
            sums_->begin((uint32_t) windows.size(), part::whole);
            decode(windows, 0, window_);
        } else {
            for (uint32_t begin = 0; begin < window_; begin += n_batch_) {
                const uint32_t end = std::min(window_, begin + n_batch_);
                sums_->begin(1, begin == 0 ? part::first : end == window_ ? part::last : part::middle);
                decode(windows, begin, end);
            }
        }
        out_.measured.n_samples += windows.size();
        out_.measured.n_tokens += (uint64_t) windows.size() * window_;
    }

    // The windows' tokens from `begin` to `end`, all in one micro-batch.
    void decode(const std::vector<std::vector<llama_token>> & windows, uint32_t begin, uint32_t end) {
        batch_.n_tokens = 0;
        for (size_t window = 0; window < windows.size(); window++)
            for (uint32_t position = begin; position < end; position++) {
                const int32_t i = batch_.n_tokens++;
                batch_.token[i] = windows[window][position];
                batch_.pos[i] = (llama_pos) position;
                batch_.n_seq_id[i] = 1;
                batch_.seq_id[i][0] = (llama_seq_id) window;
                // The last layer is computed only for tokens whose logits are wanted.
                batch_.logits[i] = true;
            }
        capture_.begin();
        try {
            run_batch(ctx_.get(), batch_, stop_);
        } catch (const failure &) {
            if (capture_.has_failed()) capture_.end();  // throws the reason why the computation was stopped
            throw;
        }
        capture_.end();
        add_losses(windows, begin, end);
    }

    void add_losses(const std::vector<std::vector<llama_token>> & windows, uint32_t begin, uint32_t end) {
        importance & out = out_.measured;
        const int32_t n_vocab = llama_vocab_n_tokens(llama_model_get_vocab(model_));
        int32_t row = 0;
        for (const std::vector<llama_token> & window : windows) {
            if (stop_) throw failure(error_code::aborted, "aborted");
            for (uint32_t position = begin; position < end; position++, row++) {
                if (position + 1 == window_) continue;
                out.loss_sum +=
                    token_loss(llama_get_logits_ith(ctx_.get(), row), n_vocab, window[(size_t) position + 1]);
                out.n_scored++;
            }
        }
        if (!std::isfinite(out.loss_sum))
            throw failure(error_code::inference_failed, "the model's logits are not finite numbers");
    }

    llama_model * model_;
    const calibrate_options & options_;
    const std::function<void(double, uint64_t)> & on_progress_;
    const std::atomic<bool> & stop_;
    model_traits traits_;
    calibration out_;
    std::unique_ptr<activation_sums> sums_;
    activation_capture capture_;
    chunk_sample held_out_;
    uint32_t window_ = 0, n_windows_ = 0, n_batch_ = 0;
    // Last, since it refers to the capture.
    context_ptr ctx_;
    llama_batch batch_{};
};

}  // namespace

calibration calibrate(llama_model * model, const calibrate_options & options,
                      const std::function<void(double fraction, uint64_t n_tokens)> & on_progress,
                      const std::atomic<bool> & stop) {
    return calibrating(model, options, on_progress, stop).run();
}

}  // namespace overfill
