// Measures importance for its own sake, so that one calibration serves many prunings (prune.h).
#include "corpus.h"
#include "failure.h"
#include "fingerprint.h"
#include "job_progress.h"
#include "output_paths.h"

#include <filesystem>

namespace overfill {

namespace {

class measuring {
  public:
    measuring(const importance_options & options, const std::function<void(const prune_progress &)> & on_progress,
              const std::atomic<bool> & stop)
        : options_(options), progress_(on_progress, stop), stop_(stop), model_(options.model.path) {}

    importance run() {
        check();
        if (!options_.text_paths.empty()) read_texts();
        for (const importance & part : stored_) add(part);
        progress_.report(prune_stage::writing, 0);
        write_importance(options_.out_path, *measured_);
        progress_.report(prune_stage::writing, 1);
        return std::move(*measured_);
    }

  private:
    void check() {
        if (options_.text_paths.empty() && options_.merge_paths.empty())
            throw failure(error_code::invalid_argument, "options.text: there is nothing to measure or to merge",
                          { { "parameter", "options.text" } });
        for (const std::string & path : options_.text_paths) check_text_file(path);
        fingerprint_ = model_fingerprint(model_.path());
        for (const std::string & path : options_.merge_paths) {
            stored_.push_back(read_importance(path));
            const std::string & other = stored_.back().fingerprint;
            if (other != fingerprint_)
                throw failure(error_code::importance_mismatch,
                              path + " was measured on another model: " + stored_.back().model_name + " (" + other +
                                  "), not " + name_of(model_) + " (" + fingerprint_ + ")",
                              { { "path", path }, { "fingerprint", other + " | " + fingerprint_ } });
        }
        // A file that is merged may be replaced by what it is merged into: it has been read by then.
        std::vector<std::string> taken = model_.paths();
        taken.insert(taken.end(), options_.text_paths.begin(), options_.text_paths.end());
        check_output("out", options_.out_path, taken);
    }

    void read_texts() {
        const model_ptr model = progress_.load(options_.model);
        std::vector<double> ends = { 0 };  // bytes of the texts up to each one's end
        for (const std::string & path : options_.text_paths) {
            std::error_code error;
            const uintmax_t n_bytes = std::filesystem::file_size(std::filesystem::u8path(path), error);
            ends.push_back(ends.back() + (error ? 0.0 : (double) n_bytes));
        }
        uint64_t n_before = 0;
        for (size_t i = 0; i < options_.text_paths.size(); i++) {
            calibrate_options options = options_.calibration;
            options.text_path = options_.text_paths[i];
            options.held_out_period = 0;
            const auto on_progress = [&](double fraction, uint64_t n_tokens) {
                const double done = ends[i] + fraction * (ends[i + 1] - ends[i]);
                progress_.calibrated(ends.back() > 0 ? done / ends.back() : 0, n_before + n_tokens);
            };
            importance part = calibrate(model.get(), options, on_progress, stop_).measured;
            part.fingerprint = fingerprint_;
            part.model_name = name_of(model_);
            n_before += part.n_tokens;
            add(part);
        }
    }

    void add(const importance & part) {
        if (measured_)
            merge(*measured_, part);
        else
            measured_ = part;
    }

    const importance_options & options_;
    job_progress progress_;
    const std::atomic<bool> & stop_;
    parent_model model_;
    std::string fingerprint_;
    std::vector<importance> stored_;
    std::optional<importance> measured_;
};

}  // namespace

importance measure_importance(const importance_options & options,
                              const std::function<void(const prune_progress &)> & on_progress,
                              const std::atomic<bool> & stop) {
    return measuring(options, on_progress, stop).run();
}

}  // namespace overfill
