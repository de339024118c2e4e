// Where an output goes, looked at before anything is written. The rules are the same for everything that is written:
//
// - a symbolic link stays, and the file that it names is written, also one that is not there yet;
// - a device, a pipe, a socket and an open file of a process (/dev/stdout) are never replaced: a text is written into
//   them, and what must be whole before it gets its name is refused;
// - a file that nobody may write, or not this user, is refused, although its folder would allow it to be replaced;
// - a file that is replaced hands its mode and, where the system allows it, its owner and group to the new one.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace overfill {

struct output_target {
    std::string name;            // as it was given, for messages
    std::filesystem::path path;  // with links followed
    bool stream = false;         // to be written into: there is no file to be replaced

    struct old_file {
        std::filesystem::perms mode;
        uint32_t owner = 0, group = 0;
    };
    std::optional<old_file> old;  // what has the name already

    // Gives a finished file what the old one had.
    void keep_attributes(const std::filesystem::path & made) const;
};

// Throws ERR_FILE_WRITE_FAILED for a folder, a file that may not be written, and what the system refuses to look at.
output_target find_output(const std::string & path);

// The same, and refuses what could only be written into.
output_target find_output_file(const std::string & path);

}  // namespace overfill
