// A file that was not there before, written from its beginning and brought to the disk. What fails returns false, and
// errno tells why: the owners have names and messages of their own.
#pragma once

#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <memory>

namespace overfill {

class new_file {
  public:
    // `buffered`: for many small writes.
    bool open(const std::filesystem::path & path, bool buffered);
    bool write(const void * data, size_t n_bytes) { return std::fwrite(data, 1, n_bytes, file_.get()) == n_bytes; }
    // Over what was written first.
    bool write_first(const void * data, size_t n_bytes);
    bool close();
    // Closes it as it is; for a file that is not wanted any more.
    void abandon() { file_.reset(); }

  private:
    struct close_file {
        void operator()(std::FILE * file) const { std::fclose(file); }
    };
    std::unique_ptr<std::FILE, close_file> file_;
};

}  // namespace overfill
