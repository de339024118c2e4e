// A file that is there whole or not at all: written under another name in the same folder, brought to the disk, and
// only then given its name.
#pragma once

#include "new_file.h"

#include <cstddef>
#include <cstdint>
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

    // All three throw ERR_FILE_WRITE_FAILED, for a full disk, say. `finish` brings what was written to the disk, under
    // the temporary name still, so that of several files that belong together none gets its name before all are
    // written; `commit` does it where it was not done.
    void write(const void * data, size_t n_bytes);
    void finish();
    void commit();

    uint64_t n_bytes() const { return n_bytes_; }
    std::string temporary_name() const { return temporary_.u8string(); }

  private:
    [[noreturn]] void fail(const std::string & why) const;

    std::string name_;  // as given, for messages
    std::filesystem::path path_, temporary_;
    new_file file_;
    uint64_t n_bytes_ = 0;
    bool finished_ = false;
};

}  // namespace overfill
