// What all writers of GGUF files need: descriptions of tensors whose data is written by themselves.
#pragma once

#include <ggml.h>
#include <gguf.h>

#include <cstdint>
#include <string>
#include <vector>

namespace overfill {

// Describes a tensor whose data will follow. `ne`: GGML_MAX_DIMS sizes.
void add_tensor_info(gguf_context * gguf, const std::string & name, ggml_type type, const int64_t * ne);

// All that comes before the tensors' data.
std::vector<uint8_t> head_of(const gguf_context * gguf);

}  // namespace overfill
