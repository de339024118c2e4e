// The whole of pruning: calibrate (or read an importance file), choose, rewrite, and measure the loss before and after.
#pragma once

#include "calibrate.h"
#include "rewrite.h"
#include "selection.h"

#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace overfill {

// The loss before is measured while the parent is still in memory, before the writing: the first half of `measuring`.
// The second half follows the writing.
enum class prune_stage { loading, calibrating, writing, measuring };

struct prune_progress {
    prune_stage stage;
    double fraction;    // of the stage
    uint64_t n_tokens;  // calibrated so far
};

struct prune_options {
    model_options model;
    std::string text_path;        // empty: none
    std::string importance_path;  // read in place of calibrating; empty: none
    std::string save_importance;  // where to write what was measured; empty: nowhere
    prune_request request;
    rewrite_options output;
    calibrate_options calibration;  // text_path is filled in
    bool measure = true;            // the losses, if there is a text
    bool again = false;             // a model that was pruned before may be, if it has all of its layers
};

struct prune_result {
    model_shape before;
    kept_counts after;
    kept_counts wished;  // before rounding
    kept_parts kept;
    uint32_t multiple = 0;  // of the widths
    bool compensated = false;
    std::string architecture_before, architecture_after;
    std::string fingerprint;  // of the parent
    std::string type;
    uint64_t n_params_before = 0, n_params_after = 0, n_bytes_before = 0, n_bytes_after = 0;
    std::vector<std::string> paths;
    uint64_t n_samples = 0, n_tokens = 0, n_loss_tokens = 0;
    std::optional<double> loss_before, loss_after;  // nats a token on held-out windows, each model alone
    double calibrate_ms = 0, write_ms = 0, total_ms = 0;
};

// Refuses what it can before the long load. Nothing is at the final name before the loss of what was written is
// measured, so that a call that fails or is aborted leaves no model; an importance file that was asked for stays.
// Throws the codes of parent_model, calibrate, selection.h and rewrite; ERR_ALREADY_PRUNED (without `again`, or for a
// model whose layer map a second cut would have to follow); ERR_IMPORTANCE_MISMATCH for
// an importance file of another model; ERR_INVALID_ARGUMENT (parameter options.out) if a file to be written is one that
// is read.
prune_result prune(const prune_options & options, const std::function<void(const prune_progress &)> & on_progress,
                   const std::atomic<bool> & stop);

// Measures importance and writes it. Several texts are measured one after the other and merged with `merge_paths`.
struct importance_options {
    model_options model;
    std::vector<std::string> text_paths;
    std::vector<std::string> merge_paths;  // importance files of the same model
    std::string out_path;
    calibrate_options calibration;
};
importance measure_importance(const importance_options & options,
                              const std::function<void(const prune_progress &)> & on_progress,
                              const std::atomic<bool> & stop);

// Widths up to the next multiple with channels that are zero; the function stays.
struct pad_options {
    std::string model_path;
    uint32_t multiple = 256;
    rewrite_options output;  // type "same" unless told
};
struct pad_result {
    model_shape before;
    kept_counts after;
    uint64_t n_params_before = 0, n_params_after = 0, n_bytes_before = 0, n_bytes_after = 0;
    std::string type;
    std::vector<std::string> paths;
    double milliseconds = 0;
};
pad_result pad(const pad_options & options, const std::function<void(const prune_progress &)> & on_progress,
               const std::atomic<bool> & stop);

}  // namespace overfill
