// What is thrown where the system refuses a file: a message with the system's own reason, and both for programs.
#pragma once

#include "failure.h"

#include <cerrno>
#include <string>
#include <system_error>

namespace overfill {

inline failure read_failure(const std::string & path, const std::string & why) {
    return failure(error_code::file_read_failed, path + " cannot be read: " + why,
                   { { "path", path }, { "reason", why } });
}

inline failure write_failure(const std::string & path, const std::string & why) {
    return failure(error_code::file_write_failed, path + " cannot be written: " + why,
                   { { "path", path }, { "reason", why } });
}

// Why the last call failed that sets errno.
inline std::string system_reason() { return std::error_code(errno, std::generic_category()).message(); }

}  // namespace overfill
