// The version gate: the internals reached by this room have no stable layout, so the llama.cpp that is loaded must be
// the very version whose headers were compiled in.
#pragma once

#include <string>

namespace overfill {

// The version whose headers were compiled in, such as "0.5.0".
std::string llama_version_built();

// The version of the library that is loaded.
std::string llama_version_loaded();

// Throws ERR_LLAMA_VERSION_MISMATCH unless the two are equal.
void check_llama_version();

}  // namespace overfill
