#include "version_gate.h"

#include "failure.h"

#include <llama.h>

namespace overfill {

std::string llama_version_built() { return OVERFILL_LLAMA_VERSION; }

std::string llama_version_loaded() {
    // A development build of the same sources calls itself "0.5.0-dev".
    const std::string version = llama_version();
    return version.substr(0, version.find('-'));
}

void check_llama_version() {
    const std::string built = llama_version_built(), loaded = llama_version_loaded();
    if (built == loaded) return;
    throw failure(error_code::llama_version_mismatch,
                  "overfill was built for llama.cpp " + built + " but llama.cpp " + loaded +
                      " is loaded; install the @node-llama-cpp platform package of the version that overfill names",
                  { { "expected", built }, { "actual", loaded } });
}

}  // namespace overfill
