// The version gate: the internals reached by this room have no stable layout, so the llama.cpp that is loaded must be
// the very version whose headers were compiled in.
//
// The version alone does not tell. Builds of any commit between two releases call themselves by the next one, such as
// "0.5.0-dev", and so do the platform packages, although they are built from the release. The commit decides.
#pragma once

#include <string>

namespace overfill {

struct llama_build {
    std::string version;  // such as "0.5.0" or "0.5.0-dev"
    std::string commit;   // shortened; "unknown" where the build had no git, and with "-dirty" for changed sources
};

// The version whose headers were compiled in, such as "0.5.0".
std::string llama_version_built();

// The version of the library that is loaded, without "-dev".
std::string llama_version_loaded();

// Throws ERR_LLAMA_VERSION_MISMATCH unless version and commit are equal.
void check_llama_build(const llama_build & built, const llama_build & loaded);

// The same for what was compiled in and what is loaded.
void check_llama_version();

}  // namespace overfill
