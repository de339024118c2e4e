// Measures an importance matrix on texts: llama.cpp runs the model over them, a window at a time. Memory does not
// depend on their length.
#pragma once

#include "importance_matrix.h"
#include "models.h"
#include "quantize_progress.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace overfill {

struct matrix_options {
    model_options model;
    std::vector<std::string> text_paths;
    std::vector<std::string> merge_paths;  // importance matrices of the same model, which are added
    std::string out_path;
    uint32_t window = 0;       // tokens a sample; 0: 512, or what the model was trained on if that is less
    uint64_t max_samples = 0;  // of each text; 0: all
    int32_t n_threads = 1;
};

struct matrix_result {
    importance_matrix measured;
    uint64_t n_tokens = 0;  // read now
};

// A last window shorter than the others is left out. Throws error_code::aborted within one micro-batch; the codes of
// load_model and read_importance_matrix; ERR_MODEL_UNSUPPORTED for a model that does not read texts from left to right;
// ERR_IMPORTANCE_MISMATCH for a matrix of another model; ERR_FILE_READ_FAILED; ERR_FILE_WRITE_FAILED;
// ERR_INVALID_ARGUMENT for a text that is shorter than one window, for a window longer than the model's training or too
// short to be measured, and if a file to be written is one that is read; ERR_INFERENCE_FAILED, also for inputs that are
// no finite numbers; ERR_OUT_OF_MEMORY.
matrix_result measure_importance_matrix(const matrix_options & options,
                                        const std::function<void(const quantize_progress &)> & on_progress,
                                        const std::atomic<bool> & stop);

}  // namespace overfill
