// The files of a model that is split into parts.
#pragma once

#include "gguf_metadata.h"

#include <cstdint>
#include <string>
#include <vector>

namespace overfill {

// By the name of the first part, whose metadata is given; the path alone for a model in one file. They need not exist.
// Throws ERR_MODEL_INVALID for another part, and for an impossible number of parts.
std::vector<std::string> split_parts(const std::string & path, const gguf_metadata & metadata);

// For writing: the tensors of each part, as indices in their order. A part has one tensor at least, and otherwise at
// most `max_bytes` of them; 0: all are in one part.
std::vector<std::vector<size_t>> divide_into_parts(const std::vector<uint64_t> & tensor_bytes, uint64_t max_bytes);
// The names of the parts that a model is written to: the path itself for one, else with llama.cpp's numbers in it.
std::vector<std::string> part_paths(const std::string & path, size_t n_parts);
// What a part's metadata says of the whole; nothing for a model in one file.
void add_split_keys(gguf_context * gguf, size_t part, size_t n_parts, size_t n_tensors);

}  // namespace overfill
