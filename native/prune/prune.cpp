#include "prune.h"

#include "clock.h"
#include "corpus.h"
#include "failure.h"
#include "fingerprint.h"
#include "job_progress.h"
#include "model_loss.h"
#include "output_paths.h"

#include <algorithm>
#include <utility>

namespace overfill {

namespace {

constexpr uint32_t held_out_period = 10;

[[noreturn]] void refuse(const std::string & option, const std::string & why) {
    throw failure(error_code::invalid_argument, "options." + option + ": " + why,
                  { { "parameter", "options." + option } });
}

class pruning {
  public:
    pruning(const prune_options & options, const std::function<void(const prune_progress &)> & on_progress,
            const std::atomic<bool> & stop)
        : options_(options), progress_(on_progress, stop), stop_(stop), parent_(options.model.path) {}

    prune_result run() {
        const stopwatch watch;
        resolve();
        read_importance_file();
        check_files();
        if (measures_importance() || measures_losses()) read_text();
        if (importance_) {
            result_.n_samples = importance_->n_samples;
            result_.n_tokens = importance_->n_tokens;
        }
        result_.kept =
            select_parts(options_.request, result_.after, parent_.shape(), importance_ ? &*importance_ : nullptr);
        write();
        result_.total_ms = watch.milliseconds();
        return std::move(result_);
    }

  private:
    bool has_text() const { return !options_.text_path.empty(); }
    bool measures_losses() const { return options_.measure && has_text(); }
    bool measures_importance() const {
        return has_text() && options_.importance_path.empty() &&
               (options_.request.needs_importance() || !options_.save_importance.empty());
    }

    // --- before the long work: all that can be refused ---

    void resolve() {
        refuse_pruned();
        const auto plan = [this](const kept_counts & counts) {
            progress_.check_stop();
            return plan_rewrite(parent_, counts, options_.output);
        };
        const resolved_counts resolved = resolve_counts(options_.request, parent_.shape(), plan);
        plan(resolved.counts);
        result_.before = parent_.shape();
        result_.after = resolved.counts;
        result_.wished = resolved.wished;
        result_.multiple = resolved.multiple;
        result_.compensated = options_.output.compensate && resolved.counts.n_embd < parent_.shape().n_embd;
        result_.architecture_before = parent_.arch().name;
        result_.type = options_.output.type;
        result_.n_params_before = parent_.n_params();
        result_.n_bytes_before = parent_.n_bytes();
        result_.fingerprint = model_fingerprint(parent_.path());
    }

    void refuse_pruned() const {
        if (!parent_.is_pruned()) return;
        const bool has_map = parent_.metadata().has("overfill.layer_map");
        if (options_.again && !has_map) return;
        throw failure(error_code::already_pruned,
                      parent_.path() + (options_.again ? " lacks layers, and such a model is not pruned again"
                                                       : " was made by pruning; prune the model that it was made from"),
                      { { "path", parent_.path() } });
    }

    void read_importance_file() {
        if (options_.importance_path.empty()) return;
        importance_ = read_importance(options_.importance_path);
        if (importance_->fingerprint != result_.fingerprint)
            throw failure(error_code::importance_mismatch,
                          options_.importance_path + " was measured on another model: " + importance_->model_name +
                              " (" + importance_->fingerprint + "), not " + name_of(parent_) + " (" +
                              result_.fingerprint + ")",
                          { { "path", options_.importance_path },
                            { "fingerprint", importance_->fingerprint + " | " + result_.fingerprint } });
    }

    void check_files() const {
        if (has_text()) check_text_file(options_.text_path);
        if (options_.request.needs_importance() && !has_text() && options_.importance_path.empty())
            refuse("text", "choosing by importance needs a text or an importance file");
        if (!options_.save_importance.empty() && !measures_importance())
            refuse("saveImportance", "there is no measured importance to save");

        std::vector<std::string> taken = parent_.paths();
        taken.push_back(options_.text_path);
        taken.push_back(options_.importance_path);
        check_output("out", options_.output.out_path, taken);
        if (options_.save_importance.empty()) return;
        taken.push_back(options_.output.out_path);
        check_output("saveImportance", options_.save_importance, taken);
    }

    // --- with the parent in memory ---

    void read_text() {
        const model_ptr model = progress_.load(options_.model);
        if (measures_importance()) measure_importance_of(model.get());
        if (!measures_losses()) return;
        double begin = 0;
        if (windows_.empty()) {
            // Importance is not measured here, so that nothing has to be held out; or the text is a single window, and
            // the losses are measured on what the choice is made by.
            windows_ = collect_windows(options_.text_path, model.get(), options_.calibration.window,
                                       [this](double done) { progress_.report(prune_stage::measuring, 0.25 * done); });
            begin = 0.25;
        }
        const model_loss loss = measure(model.get(), begin, 0.5);
        result_.n_loss_tokens = loss.n_tokens;
        result_.loss_before = loss.nats;
    }

    void measure_importance_of(llama_model * model) {
        const stopwatch watch;
        calibrate_options options = options_.calibration;
        options.text_path = options_.text_path;
        options.held_out_period = measures_losses() ? held_out_period : 0;
        calibration done = calibrate(
            model, options, [this](double fraction, uint64_t n_tokens) { progress_.calibrated(fraction, n_tokens); },
            stop_);
        done.measured.fingerprint = result_.fingerprint;
        done.measured.model_name = name_of(parent_);
        // At once, so that it is there if anything fails from here on.
        if (!options_.save_importance.empty()) write_importance(options_.save_importance, done.measured);
        importance_ = std::move(done.measured);
        windows_ = std::move(done.held_out);
        result_.calibrate_ms = watch.milliseconds();
    }

    model_loss measure(llama_model * model, double begin, double end) const {
        return measure_loss(
            model, windows_, options_.calibration.n_threads,
            [&](double done) { progress_.report(prune_stage::measuring, begin + (end - begin) * done); }, stop_);
    }

    // --- after it has gone ---

    void write() {
        rewrite_options output = options_.output;
        add_notes(output.notes);
        double measure_ms = 0;
        if (result_.loss_before)
            output.before_commit = [&](const std::string & path) {
                const stopwatch watch;
                measure_written(path);
                measure_ms = watch.milliseconds();
            };
        const stopwatch watch;
        const rewrite_result written = rewrite(
            parent_, result_.kept, result_.after, output,
            [this](uint64_t done, uint64_t total) { progress_.written(done, total); }, stop_);
        result_.write_ms = watch.milliseconds() - measure_ms;
        result_.architecture_after = written.plan.architecture;
        result_.n_params_after = written.plan.n_params;
        result_.n_bytes_after = written.plan.n_bytes;
        result_.paths = written.paths;
    }

    void measure_written(const std::string & path) {
        const model_ptr model = [&] {
            const auto turn = wait_for_load_turn([this](float) { return !stop_; });
            return load_model({ path, options_.model.n_gpu_layers }, load_depth::weights,
                              [this](float) { return !stop_; });
        }();
        result_.loss_after = measure(model.get(), 0.5, 1).nats;
    }

    void add_notes(std::vector<std::pair<std::string, std::string>> & notes) const {
        const prune_request & request = options_.request;
        const auto add = [&](const char * key, const std::string & value) {
            notes.emplace_back(std::string("overfill.") + key, value);
        };
        add("prune.order", request.order == selection_order::important ? "important"
                           : request.order == selection_order::random  ? "random"
                                                                       : "unimportant");
        if (request.order == selection_order::random) add("prune.seed", std::to_string(request.seed));
        if (result_.after.n_layer < result_.before.n_layer)
            add("prune.layer_rule", request.layer_list.empty() ? request.layer_rule : "list");
        add("prune.multiple", std::to_string(result_.multiple));
        if (importance_) {
            add("prune.mean", request.mean == activation_mean::signed_values ? "signed" : "absolute");
            add("prune.hidden_scope", request.hidden_by_layer ? "layer" : "model");
            add("prune.ffn_scope", request.common_ffn ? "model" : "layer");
            add("calibration.text", importance_->text_name);
            add("calibration.samples", std::to_string(importance_->n_samples));
            add("calibration.tokens", std::to_string(importance_->n_tokens));
            add("calibration.window", std::to_string(importance_->window));
        }
        if (result_.loss_before) {
            add("calibration.loss_before", std::to_string(*result_.loss_before));
            add("calibration.loss_tokens", std::to_string(result_.n_loss_tokens));
        }
    }

    const prune_options & options_;
    job_progress progress_;
    const std::atomic<bool> & stop_;
    parent_model parent_;
    std::optional<importance> importance_;
    token_windows windows_;  // the losses are measured on
    prune_result result_;
};

}  // namespace

prune_result prune(const prune_options & options, const std::function<void(const prune_progress &)> & on_progress,
                   const std::atomic<bool> & stop) {
    return pruning(options, on_progress, stop).run();
}

}  // namespace overfill
