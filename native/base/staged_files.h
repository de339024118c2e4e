// Files that appear together or not at all: written into a hidden folder of their own beside the place where they
// belong, brought to the disk, and moved there when all are complete. Until then whatever has their names keeps them.
// Everything that this package writes and that must be whole is written so; see output_target.h for what it respects
// and staging_folder.h for what a killed process leaves.
#pragma once

#include "new_file.h"
#include "output_target.h"
#include "staging_folder.h"

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace overfill {

class staged_files {
  public:
    // All in one folder. Throws ERR_FILE_WRITE_FAILED, here and below.
    explicit staged_files(const std::vector<std::string> & paths);
    // Without a commit nothing stays behind.
    ~staged_files();
    staged_files(const staged_files &) = delete;
    staged_files & operator=(const staged_files &) = delete;

    // One file is open at a time; it is complete, and on the disk, when it is closed. `buffered`: for many small
    // writes; blocks are large, and a second copy of them would only cost time.
    void open(size_t file, bool buffered);
    void write(const void * data, size_t n_bytes);
    // Over what was written first, for a head that tells of what follows it. The last of the writes.
    void write_first(const void * data, size_t n_bytes);
    void close();

    // Where a file is until the commit. It has its final name there.
    std::string staged_path(size_t file) const { return staged(file).u8string(); }

    // Should one move fail, those before it are undone.
    void commit();

  private:
    void undo(size_t n_moved, const std::vector<bool> & was_there);
    std::filesystem::path staged(size_t file) const;
    std::filesystem::path before(size_t file) const;
    void move(size_t file, std::error_code & error) const;

    std::vector<output_target> targets_;
    std::unique_ptr<staging_folder> folder_;
    new_file file_;
    size_t open_ = 0;
};

}  // namespace overfill
