// Measures importance: llama.cpp runs the model over a text, and its evaluation callback shows the activations as they
// are computed. Nothing of the forward pass is computed a second time. Memory does not depend on the length of the
// text.
#pragma once

#include "importance.h"
#include "models.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace overfill {

struct calibrate_options {
    std::string text_path;
    uint32_t window = 0;             // tokens a sample; 0: 512, or what the model was trained on if that is less
    uint32_t windows_per_batch = 0;  // 0: as many as make 512 tokens, at least 1
    uint64_t max_samples = 0;        // windows measured at most; 0: all
    uint32_t held_out_period = 0;    // every n-th window is not measured but given back; 0: none. Never the first.
    uint32_t max_held_out = 32;      // windows given back at most, spread evenly over the text
    int32_t n_threads = 1;
};

struct calibration {
    importance measured;
    std::vector<std::vector<int32_t>> held_out;  // llama_token
};

// `on_progress`: the share of the text that is done, 0 to 1, and the tokens measured so far. The model must have a row
// in the architecture table (else ERR_PRUNE_UNSUPPORTED). A last window shorter than the others is left out. Throws
// error_code::aborted within one micro-batch; ERR_FILE_READ_FAILED; ERR_INVALID_ARGUMENT for a text that is shorter
// than one window, or a window longer than the model's training; ERR_INFERENCE_FAILED (also for activations that are no
// finite numbers); ERR_OUT_OF_MEMORY. fingerprint and model_name are the caller's to fill in.
calibration calibrate(llama_model * model, const calibrate_options & options,
                      const std::function<void(double fraction, uint64_t n_tokens)> & on_progress,
                      const std::atomic<bool> & stop);

}  // namespace overfill
