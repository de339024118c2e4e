// Writes a model of other sizes: tensor by tensor, the kept rows and columns, as another type if asked. Peak memory is
// a few tensors. Nothing is at the final name until all of it is written.
#pragma once

#include "kept.h"
#include "parent_model.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace overfill {

struct rewrite_options {
    std::string out_path;
    // f32, f16, bf16; a name of llama.cpp's quantisations in lower case (q8_0, q4_k_m, ...), whose own rules choose
    // each tensor's type; or "same": the parent's type of each tensor, where the new width allows it (else f16).
    std::string type = "f16";
    // Scale RMSNorms as if the channels left out had been zero: weights by sqrt(n / n'), epsilon by n / n'. Exact for
    // channels that are zero, hence always done for padding.
    bool compensate = true;
    uint64_t max_part_bytes = 0;  // splits the file into parts of at most so many bytes of tensors; 0: one file
    std::string name;             // general.name; empty: made from the parent's
    int32_t n_threads = 1;
    // Further metadata: what was done, from what calibration. Keys are complete ("overfill.prune...."). Written as
    // strings.
    std::vector<std::pair<std::string, std::string>> notes;
    // Called when all bytes are written and checked, with the temporary path of the (first) file, which loads as a
    // model. If it throws, no file is left, and what had the name before keeps it.
    std::function<void(const std::string & path)> before_commit;
};

struct planned_tensor {
    std::string name;
    ggml_type type;
    int64_t ne[4];
    uint64_t n_bytes;
};

struct rewrite_plan {
    std::vector<planned_tensor> tensors;
    std::string architecture;  // the carrier's, where the parent's cannot hold such sizes
    uint64_t n_params = 0;
    uint64_t n_bytes = 0;  // of the tensors
};

// What the file would hold. Throws ERR_INVALID_ARGUMENT (parameter options.quantize) for a type that is unknown, that
// needs an importance matrix, or that cannot hold rows of these sizes; ERR_PRUNE_UNSUPPORTED where the architecture
// cannot have such sizes. Cheap: the target-size search calls it often. Exact, but for the type "same" with fewer
// layers where the parent's layers are of different types: the first ones are counted.
rewrite_plan plan_rewrite(const parent_model & parent, const kept_counts & counts, const rewrite_options & options);

struct rewrite_result {
    rewrite_plan plan;
    std::vector<std::string> paths;  // the parts
    uint64_t n_file_bytes = 0;
    double milliseconds = 0;
};

// `counts` are the sizes written (kept.hidden.size() or more, and so on). `on_progress`: bytes written, bytes in all.
// Afterwards the file is loaded without its weights and its layers compared with the parent's kept ones (RoPE, windows,
// KV heads), so that a rule of llama.cpp that goes by a layer's number or a width cannot change them in silence; that
// failing is ERR_PRUNE_UNSUPPORTED, and no file is left. Throws also error_code::aborted, ERR_FILE_READ_FAILED,
// ERR_FILE_WRITE_FAILED, ERR_INVALID_ARGUMENT (parameter options.out) if out_path is a part of the parent. Takes the
// load turn (models.h), so the caller must not hold it.
rewrite_result rewrite(const parent_model & parent, const kept_parts & kept, const kept_counts & counts,
                       const rewrite_options & options,
                       const std::function<void(uint64_t done, uint64_t total)> & on_progress,
                       const std::atomic<bool> & stop);

}  // namespace overfill
