// Fits a translator to two models: both read a text, and for every layer the linear maps that take the prefill model's
// K and V to the decode model's are found in closed form (ridge.h). Every n-th chunk of the text is held out, to
// measure the maps on text that they have not seen, and the next-token loss of two-stage inference with and without
// them.
//
// Memory holds both models, two caches of one chunk, and the sums of the regressions: for K and V of each layer, twice
// (fitted and held-out text), n_in^2 / 2 + n_in n_out float64. The text is streamed.
#pragma once

#include "options.h"
#include "translator.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace overfill {

struct fit_options {
    model_options prefill;
    model_options decode;
    std::string text_path;
    std::string out_path;
    std::vector<int32_t> layers;  // the source layer of each target layer; empty: as layer_map says
    std::string layer_map;        // a name of named_layer_map; empty: the same index, or "spaced" where counts differ
    bool common_map = false;      // one map for K and V of a layer
    bool before_rope = true;
    uint32_t chunk_size = 0;  // tokens; 0: 512, or what the models were trained on if that is less
    uint64_t max_tokens = 0;  // of the text; 0: all
    double lambda = 1e-4;     // relative to the mean variance of the source's channels
    double held_out = 0.1;    // share of the chunks
    ggml_type weight_type = GGML_TYPE_F16;
    int32_t n_threads = 1;
};

enum class fit_stage { loading, reading, solving, measuring };

struct fit_progress {
    fit_stage stage;
    double fraction;    // of the stage
    uint64_t n_tokens;  // read so far
};

struct fit_result {
    overfill::translator translator;
    uint64_t n_held_out_tokens = 0;
    uint64_t n_bytes = 0;  // of the file
    double milliseconds = 0;
};

// Writes the file and tells what is in it. `stop` ends it with error_code::aborted; no file is written then. Throws the
// codes of load_model, ERR_PAIR_INCOMPATIBLE for different vocabularies, ERR_INVALID_ARGUMENT, ERR_FILE_READ_FAILED,
// ERR_FILE_WRITE_FAILED, ERR_HANDOVER_UNAVAILABLE, ERR_INFERENCE_FAILED or ERR_OUT_OF_MEMORY.
fit_result fit(const fit_options & options, const std::function<void(const fit_progress &)> & on_progress,
               const std::atomic<bool> & stop);

}  // namespace overfill
