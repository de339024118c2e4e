// The older file of an importance matrix (importance_matrix.h), of which many are about. llama.cpp's own loader takes
// lengths as they come, and asserts the kinds of values in the newer one; so both are read here, and tests compare.
#pragma once

#include "importance_matrix.h"

#include <string>

namespace overfill {

// Throws ERR_FILE_READ_FAILED.
bool is_gguf_file(const std::string & path);

// Throws ERR_FILE_READ_FAILED, or ERR_IMPORTANCE_INVALID for a file that is none.
importance_matrix read_legacy_importance(const std::string & path);

}  // namespace overfill
