// A whole file as bytes, mapped into memory where the system can, else read. Whoever replaces the file meanwhile by a
// rename changes nothing here.
#pragma once

#include "kept_bytes.h"

#include <string>

namespace overfill {

// Throws ERR_FILE_READ_FAILED, ERR_OUT_OF_MEMORY.
kept_bytes map_file(const std::string & path);

}  // namespace overfill
