// A file that is to be read, looked at first: which of the things that can be wrong with a path it is.
#pragma once

#include "failure.h"

#include <cstdint>
#include <string>

namespace overfill {

// The codes of one kind of file.
struct input_codes {
    error_code missing;     // no file has the name, or can have it
    error_code not_a_file;  // a folder, a device, ...
    error_code unreadable;  // the system refuses to open it or to look at it
};

inline constexpr input_codes model_codes = { error_code::model_not_found, error_code::model_not_a_file,
                                             error_code::model_load_failed };
inline constexpr input_codes data_codes = { error_code::file_read_failed, error_code::file_read_failed,
                                            error_code::file_read_failed };

// Runs `read`; where the system does not give the file (file_reader), what is thrown has the code of its kind.
template <class Read> auto with_codes(const input_codes & codes, const Read & read) {
    try {
        return read();
    } catch (const failure & error) {
        if (error.code() != error_code::file_read_failed) throw;
        throw failure(codes.unreadable, error.what(), error.details());
    }
}

// The file's size in bytes. Throws one of the codes (details: path and, where the system gave one, its reason).
uint64_t check_input_file(const std::string & path, const input_codes & codes);

}  // namespace overfill
