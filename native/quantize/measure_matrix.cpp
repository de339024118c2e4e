#include "measure_matrix.h"

#include "corpus.h"
#include "failure.h"
#include "input_capture.h"
#include "llama_log.h"
#include "model_file.h"
#include "output_paths.h"
#include "run_batch.h"
#include "stored_tensors.h"

#include <algorithm>
#include <filesystem>
#include <utility>

namespace overfill {

namespace {

namespace fs = std::filesystem;

constexpr uint32_t default_window = 512, smallest_window = 16, largest_batch = 2048;

[[noreturn]] void refuse(const std::string & option, const std::string & why) {
    throw failure(error_code::invalid_argument, "options." + option + ": " + why,
                  { { "parameter", "options." + option } });
}

class batch_of_tokens {
  public:
    explicit batch_of_tokens(uint32_t n) : batch_(llama_batch_init((int32_t) n, 0, 1)) {
        if (!batch_.token) throw failure(error_code::out_of_memory, "not enough memory for a batch");
    }
    ~batch_of_tokens() { llama_batch_free(batch_); }
    batch_of_tokens(const batch_of_tokens &) = delete;
    batch_of_tokens & operator=(const batch_of_tokens &) = delete;

    // Tokens [begin, end) of a window. The last layer is computed only for tokens whose logits are wanted.
    const llama_batch & fill(const std::vector<llama_token> & window, uint32_t begin, uint32_t end) {
        batch_.n_tokens = 0;
        for (uint32_t position = begin; position < end; position++) {
            const int32_t i = batch_.n_tokens++;
            batch_.token[i] = window[position];
            batch_.pos[i] = (llama_pos) position;
            batch_.n_seq_id[i] = 1;
            batch_.seq_id[i][0] = 0;
            batch_.logits[i] = true;
        }
        return batch_;
    }

  private:
    llama_batch batch_;
};

class measuring {
  public:
    measuring(const matrix_options & options, const std::function<void(const quantize_progress &)> & on_progress,
              const std::atomic<bool> & stop)
        : options_(options), on_progress_(on_progress), stop_(stop) {}

    matrix_result run() {
        check();
        if (!options_.text_paths.empty()) read_texts();
        for (const importance_matrix & part : stored_) merge(out_.measured, part);
        report(quantize_stage::writing, 0);
        write_importance_matrix(options_.out_path, out_.measured);
        report(quantize_stage::writing, 1);
        return std::move(out_);
    }

  private:
    void report(quantize_stage stage, double fraction) const {
        if (stop_) throw failure(error_code::aborted, "aborted");
        on_progress_({ stage, fraction, out_.n_tokens });
    }

    void check() {
        if (options_.text_paths.empty() && options_.merge_paths.empty())
            refuse("text", "there is nothing to measure or to merge");
        check_model_file(options_.model.path);
        const gguf_metadata metadata(options_.model.path);
        const stored_tensors model(options_.model.path, metadata);
        for (const std::string & path : options_.text_paths) check_text_file(path);
        for (const std::string & path : options_.merge_paths) {
            stored_.push_back(read_importance_matrix(path));
            check_matrix(path, stored_.back(), model);
        }
        // A file that is merged may be replaced by what it is merged into: it has been read by then.
        std::vector<std::string> taken = model.paths();
        taken.insert(taken.end(), options_.text_paths.begin(), options_.text_paths.end());
        check_output("out", options_.out_path, taken);
    }

    static void check_matrix(const std::string & path, const importance_matrix & matrix, const stored_tensors & model) {
        if (matrix.window == 0)
            throw failure(error_code::importance_invalid,
                          path + " does not say how many tokens a sample has, and so cannot be merged",
                          { { "path", path } });
        for (const auto & [name, entry] : matrix.entries) {
            const stored_tensor * tensor = model.find(name);
            const size_t n = tensor ? (size_t) (tensor->ne[0] * tensor->ne[2] * tensor->ne[3]) : 0;
            if (entry.sums.size() == n && (entry.counts.size() == 1 || entry.counts.size() == (size_t) tensor->ne[2]))
                continue;
            throw failure(
                error_code::importance_mismatch,
                path + " was measured on another model: it has " + std::to_string(entry.sums.size()) + " values for " +
                    name + ", which has " + std::to_string(n) + " here",
                { { "path", path }, { name, std::to_string(entry.sums.size()) + " | " + std::to_string(n) } });
        }
    }

    void read_texts() {
        load();
        choose_sizes();
        make_context();
        std::vector<double> ends = { 0 };  // bytes of the texts up to each one's end
        for (const std::string & path : options_.text_paths) {
            std::error_code error;
            const uintmax_t n_bytes = fs::file_size(fs::u8path(path), error);
            ends.push_back(ends.back() + (error ? 0.0 : (double) n_bytes));
        }
        for (size_t i = 0; i < options_.text_paths.size(); i++) {
            read_text(options_.text_paths[i], [&](double fraction) {
                const double done = ends[i] + fraction * (ends[i + 1] - ends[i]);
                report(quantize_stage::calibrating, ends.back() > 0 ? done / ends.back() : 0);
            });
            out_.measured.texts.push_back(fs::u8path(options_.text_paths[i]).filename().u8string());
        }
        out_.measured.window = window_;
        out_.measured.entries = std::move(capture_.entries());
        if (out_.measured.entries.empty())
            throw failure(error_code::model_unsupported,
                          options_.model.path + " has no weights whose importance can be measured",
                          { { "path", options_.model.path } });
    }

    void load() {
        const auto go_on = [this](float) { return !stop_.load(); };
        const auto turn = wait_for_load_turn(go_on);
        model_ = load_model(options_.model, load_depth::weights, [&](float fraction) {
            if (stop_) return false;
            on_progress_({ quantize_stage::loading, fraction, 0 });
            return true;
        });
        if (llama_model_has_encoder(model_.get()) || !llama_model_has_decoder(model_.get()))
            throw failure(error_code::model_unsupported,
                          options_.model.path + " does not read texts from left to right",
                          { { "path", options_.model.path } });
    }

    void choose_sizes() {
        const uint32_t trained = (uint32_t) std::max(1, llama_model_n_ctx_train(model_.get()));
        window_ = options_.window ? options_.window : std::min(default_window, trained);
        if (window_ < smallest_window)
            refuse("window",
                   "an importance matrix needs windows of " + std::to_string(smallest_window) + " tokens at least");
        if (window_ > trained)
            refuse("window", "the model was trained on " + std::to_string(trained) + " tokens, fewer than the " +
                                 std::to_string(window_) + " of a window");
        // Even pieces: a short one at the end would not be measured.
        const uint32_t n_pieces = (window_ + largest_batch - 1) / largest_batch;
        n_batch_ = (window_ + n_pieces - 1) / n_pieces;
    }

    void make_context() {
        llama_context_params params = llama_context_default_params();
        params.n_ctx = GGML_PAD(window_, 256);
        params.n_batch = params.n_ubatch = n_batch_;
        params.n_threads = params.n_threads_batch = options_.n_threads;
        params.no_perf = true;
        params.cb_eval = input_capture::callback;
        params.cb_eval_user_data = &capture_;
        params.abort_callback = [](void * self) {
            const measuring & run = *static_cast<const measuring *>(self);
            return run.stop_ || run.capture_.has_failed();
        };
        params.abort_callback_data = this;
        const log_capture log;
        ctx_.reset(llama_init_from_model(model_.get(), params));
        if (!ctx_)
            throw failure(error_code::out_of_memory, "could not create a context for the model: " + log.errors());
    }

    void read_text(const std::string & path, const std::function<void(double)> & on_text) {
        corpus text(path, llama_model_get_vocab(model_.get()), window_);
        batch_of_tokens batch(n_batch_);
        uint64_t n_read = 0;
        while (options_.max_samples == 0 || n_read < options_.max_samples) {
            const std::vector<llama_token> window = text.next();
            if (window.size() < window_) break;  // the text's last one; seldom a whole one
            read_window(window, batch);
            n_read++;
            out_.measured.n_samples++;
            out_.n_tokens += window_;
            const double of_limit = options_.max_samples ? (double) n_read / (double) options_.max_samples : 0;
            on_text(std::min(1.0, std::max(text.fraction(), of_limit)));
        }
        if (n_read == 0) refuse("text", path + " is shorter than one window of " + std::to_string(window_) + " tokens");
        on_text(1);
    }

    void read_window(const std::vector<llama_token> & window, batch_of_tokens & batch) {
        llama_memory_clear(llama_get_memory(ctx_.get()), /*data*/ true);
        for (uint32_t begin = 0; begin < window_; begin += n_batch_) {
            try {
                run_batch(ctx_.get(), batch.fill(window, begin, std::min(window_, begin + n_batch_)), stop_);
            } catch (const failure &) {
                capture_.rethrow();  // the reason why the computation was stopped
                throw;
            }
            capture_.rethrow();
        }
    }

    const matrix_options & options_;
    const std::function<void(const quantize_progress &)> & on_progress_;
    const std::atomic<bool> & stop_;
    matrix_result out_;
    std::vector<importance_matrix> stored_;
    uint32_t window_ = 0, n_batch_ = 0;
    input_capture capture_;
    model_ptr model_;
    // Last, since it refers to the model and the capture.
    context_ptr ctx_;
};

}  // namespace

matrix_result measure_importance_matrix(const matrix_options & options,
                                        const std::function<void(const quantize_progress &)> & on_progress,
                                        const std::atomic<bool> & stop) {
    return measuring(options, on_progress, stop).run();
}

}  // namespace overfill
