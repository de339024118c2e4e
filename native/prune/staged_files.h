// Files that appear together or not at all: written into a folder of their own beside the place where they belong, and
// moved there when all are complete. Until then whatever has their names keeps them.
#pragma once

#include "new_file.h"

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

namespace overfill {

class staged_files {
  public:
    // All in one folder. Throws ERR_FILE_WRITE_FAILED, here and below.
    explicit staged_files(std::vector<std::string> paths);
    // Without a commit nothing stays behind.
    ~staged_files();
    staged_files(const staged_files &) = delete;
    staged_files & operator=(const staged_files &) = delete;

    // One file is open at a time; it is complete, and on the disk, when it is closed.
    void open(size_t file);
    void write(const void * data, size_t n_bytes);
    void close();

    // Where a file is until the commit. It has its final name there.
    std::string staged_path(size_t file) const;

    // Should one move fail, those before it are undone.
    void commit();

  private:
    [[noreturn]] void fail(size_t file, const std::string & why) const;
    void undo(size_t n_moved, const std::vector<bool> & set_aside);
    std::filesystem::path aside(size_t file) const;

    std::vector<std::string> paths_;
    std::filesystem::path folder_;
    new_file file_;
    size_t open_ = 0;
};

}  // namespace overfill
