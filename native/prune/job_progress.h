// How the jobs of this room tell how far they have come, and notice that they shall stop.
#pragma once

#include "failure.h"
#include "prune.h"

#include <atomic>
#include <filesystem>
#include <functional>
#include <string>

namespace overfill {

class job_progress {
  public:
    job_progress(const std::function<void(const prune_progress &)> & on_progress, const std::atomic<bool> & stop)
        : on_progress_(on_progress), stop_(stop) {}

    void check_stop() const {
        if (stop_) throw failure(error_code::aborted, "aborted");
    }

    void report(prune_stage stage, double fraction) const {
        check_stop();
        on_progress_({ stage, fraction, n_tokens_ });
    }

    void calibrated(double fraction, uint64_t n_tokens) {
        n_tokens_ = n_tokens;
        report(prune_stage::calibrating, fraction);
    }

    // Of a rewrite.
    void written(uint64_t done, uint64_t total) const {
        report(prune_stage::writing, total > 0 ? (double) done / (double) total : 0);
    }

    // Loads in its turn.
    model_ptr load(const model_options & options) const {
        const auto turn = wait_for_load_turn([this](float) { return !stop_; });
        return load_model(options, load_depth::weights, [this](float fraction) {
            if (stop_) return false;
            on_progress_({ prune_stage::loading, fraction, 0 });
            return true;
        });
    }

  private:
    const std::function<void(const prune_progress &)> & on_progress_;
    const std::atomic<bool> & stop_;
    uint64_t n_tokens_ = 0;
};

// What a model is called: its own name, or its file's.
inline std::string name_of(const parent_model & model) {
    const std::string name = model.metadata().text("general.name").value_or("");
    return name.empty() ? std::filesystem::u8path(model.path()).filename().u8string() : name;
}

}  // namespace overfill
