#include "input_file.h"

#include "file_failure.h"

#include <cstdio>
#include <filesystem>
#include <memory>

namespace overfill {

namespace fs = std::filesystem;

static std::string refusal_to_open(const fs::path & path) {
#ifdef _WIN32
    std::FILE * file = _wfopen(path.c_str(), L"rb");
#else
    std::FILE * file = std::fopen(path.c_str(), "rbe");
#endif
    if (!file) return system_reason();
    std::fclose(file);
    return "";
}

uint64_t check_input_file(const std::string & path, const input_codes & codes) {
    const auto refuse = [&](error_code code, const std::string & what, const std::string & why) {
        error_details details = { { "path", path } };
        if (!why.empty()) details.emplace_back("reason", why);
        throw failure(code, path + " " + what + (why.empty() ? "" : ": " + why), details);
    };
    const fs::path file = fs::u8path(path);
    std::error_code error;
    const fs::file_type type = fs::status(file, error).type();
    if (type == fs::file_type::not_found)
        refuse(codes.missing, "does not exist",
               error == std::errc::not_a_directory ? "a part of the path is not a folder" : "");
    if (error == std::errc::filename_too_long) refuse(codes.missing, "does not exist", error.message());
    if (error) refuse(codes.unreadable, "cannot be read", error.message());
    if (type != fs::file_type::regular) refuse(codes.not_a_file, "is not a file", "");
    if (const std::string why = refusal_to_open(file); !why.empty()) refuse(codes.unreadable, "cannot be read", why);
    const uint64_t n_bytes = fs::file_size(file, error);
    if (error) refuse(codes.unreadable, "cannot be read", error.message());
    return n_bytes;
}

}  // namespace overfill
