#include "version_gate.h"

#include "failure.h"

#include <ggml.h>
#include <llama.h>

namespace overfill {

static constexpr char development_suffix[] = "-dev";
static constexpr size_t shortest_commit = 7;

std::string llama_version_built() { return OVERFILL_LLAMA_VERSION; }

static std::string without_suffix(const std::string & version) {
    const size_t n = sizeof development_suffix - 1;
    const bool has = version.size() > n && version.compare(version.size() - n, n, development_suffix) == 0;
    return has ? version.substr(0, version.size() - n) : version;
}

std::string llama_version_loaded() { return without_suffix(llama_version()); }

// Git shortens commits to as many digits as a clone needs.
static bool same_commit(const std::string & a, const std::string & b) {
    const auto is_commit = [](const std::string & text) {
        return text.size() >= shortest_commit && text.find_first_not_of("0123456789abcdef") == text.npos;
    };
    return is_commit(a) && is_commit(b) && a.compare(0, b.size(), b, 0, a.size()) == 0;
}

static std::string name_of(const llama_build & build) { return build.version + " (commit " + build.commit + ")"; }

void check_llama_build(const llama_build & built, const llama_build & loaded) {
    if (without_suffix(loaded.version) == built.version && same_commit(loaded.commit, built.commit)) return;
    throw failure(error_code::llama_version_mismatch,
                  "overfill was built for llama.cpp " + name_of(built) + " but llama.cpp " + name_of(loaded) +
                      " is loaded; install the @node-llama-cpp platform package of the version that overfill names",
                  { { "expected", name_of(built) }, { "actual", name_of(loaded) } });
}

void check_llama_version() {
#ifndef OVERFILL_LLAMA_SOURCE  // which is linked in
    check_llama_build({ llama_version_built(), OVERFILL_LLAMA_COMMIT }, { llama_version(), ggml_commit() });
#endif
}

}  // namespace overfill
