// The files of a model that is split into parts.
#pragma once

#include "gguf_metadata.h"

#include <string>
#include <vector>

namespace overfill {

// By the name of the first part, whose metadata is given; the path alone for a model in one file. They need not exist.
// Throws ERR_MODEL_INVALID for another part, and for an impossible number of parts.
std::vector<std::string> split_parts(const std::string & path, const gguf_metadata & metadata);

}  // namespace overfill
