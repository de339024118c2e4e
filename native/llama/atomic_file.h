// A file that is there whole or not at all: written under another name in the same folder, brought to the disk, and
// only then given its name.
#pragma once

#include "new_file.h"

#include <cstddef>
#include <filesystem>
#include <string>

namespace overfill {

class atomic_file {
  public:
    // Opens the temporary file. Throws ERR_FILE_WRITE_FAILED if the folder does not exist or cannot be written to.
    explicit atomic_file(const std::string & path);
    // Without a commit nothing stays behind, and what had the name before keeps it.
    ~atomic_file();
    atomic_file(const atomic_file &) = delete;
    atomic_file & operator=(const atomic_file &) = delete;

    // Both throw ERR_FILE_WRITE_FAILED, for a full disk, say.
    void write(const void * data, size_t n_bytes);
    void commit();

  private:
    [[noreturn]] void fail(const std::string & why) const;

    std::string name_;  // as given, for messages
    std::filesystem::path path_, temporary_;
    new_file file_;
};

}  // namespace overfill
