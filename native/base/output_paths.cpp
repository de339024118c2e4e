#include "output_paths.h"

#include "failure.h"
#include "staged_files.h"

#include <filesystem>

namespace overfill {

bool same_file(const std::string & a, const std::string & b) {
    std::error_code error;
    return std::filesystem::equivalent(std::filesystem::u8path(a), std::filesystem::u8path(b), error);
}

static bool name_one_file(const std::string & a, const std::string & b) {
    namespace fs = std::filesystem;
    if (same_file(a, b)) return true;
    std::error_code error_a, error_b;
    const fs::path full_a = fs::weakly_canonical(fs::u8path(a), error_a);
    const fs::path full_b = fs::weakly_canonical(fs::u8path(b), error_b);
    return !error_a && !error_b && full_a == full_b;
}

void check_writable(const std::string & path, bool is_text) {
    if (is_text && find_output(path).stream) return;
    const staged_files writable({ path });
}

void check_output(const std::string & option, const std::string & path, const std::vector<std::string> & taken,
                  bool is_text) {
    const std::string parameter = "options." + option;
    for (const std::string & other : taken)
        if (!other.empty() && name_one_file(path, other))
            throw failure(error_code::invalid_argument,
                          parameter + ": " + path + " is already read or written by this job",
                          { { "parameter", parameter }, { "path", path } });
    check_writable(path, is_text);
}

}  // namespace overfill
