// llama.cpp's own quantiser, called plainly: what the quantize room is compared with.
#pragma once

#include "quantize.h"

#include <string>

namespace overfill::test {

// Writes what llama_model_quantize makes of the same options (but the size of the parts). False if it refuses.
bool reference_quantize(const quantize_options & options, const std::string & out_path);

// Without progress and abort.
quantize_result quantize_now(const quantize_options & options);

// An importance matrix of drawn values for all matrices of a model but its embeddings and its output.
void write_some_importance(const std::string & path, const std::string & model_path);

bool can_be_quantized_to(ggml_type type);

}  // namespace overfill::test
