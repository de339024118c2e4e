// A single file that is there whole or not at all; see staged_files.h.
#pragma once

#include "staged_files.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace overfill {

class atomic_file {
  public:
    // Opens the temporary file. Throws ERR_FILE_WRITE_FAILED if the folder does not exist or cannot be written to.
    explicit atomic_file(const std::string & path) : files_({ path }) { files_.open(0, /*buffered*/ true); }

    // All three throw ERR_FILE_WRITE_FAILED, for a full disk, say. `finish` brings what was written to the disk, under
    // the temporary name still, so that of several files that belong together none gets its name before all are
    // written; `commit` does it where it was not done.
    void write(const void * data, size_t n_bytes);
    void finish();
    void commit();

    uint64_t n_bytes() const { return n_bytes_; }
    std::string temporary_name() const { return files_.staged_path(0); }

  private:
    staged_files files_;
    uint64_t n_bytes_ = 0;
    bool finished_ = false;
};

// A text that is written at once, such as a report or a plot: a file as above, and into devices and pipes, as every
// part of it is final when it is written. Throws ERR_FILE_WRITE_FAILED.
void write_text(const std::string & path, std::string_view text);

}  // namespace overfill
