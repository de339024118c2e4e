// Quantises a model: llama.cpp's own choice of types and its own quantisation of rows, in a loop of ours, because
// llama_model_quantize can neither be stopped nor watched, and splits its output only as its input was split. The files
// are those that it writes, byte for byte.
#pragma once

#include "quantize_progress.h"

#include <ggml.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace overfill {

struct tensor_type_rule {
    std::string pattern;  // ECMAScript regular expression, found anywhere in a tensor's name
    std::string type;     // of ggml, in lower case
};

struct quantize_options {
    std::string model_path;
    std::string out_path;
    std::string type;                            // as llama-quantize names it, in lower case: q4_k_m, iq2_xs, copy, ...
    std::string importance_path;                 // an importance matrix; empty: none
    std::vector<tensor_type_rule> tensor_types;  // the first that matches counts
    std::string output_type, embedding_type;  // of output.weight and the token embeddings; empty: as llama.cpp chooses
    bool keep_output = false;                 // output.weight stays as it is
    bool pure = false;                        // every tensor in the same type
    bool allow_requantize = false;
    uint64_t max_part_bytes = 0;  // splits the file into parts of at most so many bytes of tensors; 0: one file
    int32_t n_threads = 1;
};

struct quantize_result {
    struct tensor {
        std::string name;
        ggml_type before, after;
        std::optional<ggml_type> wished;  // where the tensor's shape does not allow it
        int64_t ne[4];
    };
    std::vector<tensor> tensors;  // in the order of the file
    std::string type;
    std::vector<std::string> paths;
    uint64_t n_params = 0, n_bytes_before = 0, n_bytes_after = 0;  // bytes of the tensors
    size_t n_weighted = 0;                                         // tensors quantised by the importance matrix
    double milliseconds = 0;
};

// Nothing is at the final name until all is written and llama.cpp has looked at it. Aborts within a few rows. Throws
// the codes of plan_quantization, check_model_file and read_importance_matrix; ERR_INVALID_ARGUMENT (parameter
// options.out) if a file to be written is one that is read; ERR_MODEL_INVALID for values that are no finite numbers,
// also as the type that they would get; ERR_FILE_WRITE_FAILED, also before anything is written if the disk has no room
// for all of it.
quantize_result quantize(const quantize_options & options,
                         const std::function<void(const quantize_progress &)> & on_progress,
                         const std::atomic<bool> & stop);

}  // namespace overfill
