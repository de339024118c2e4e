// Reads from any place of a file, from any thread, without moving a shared position.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace overfill {

class file_reader {
  public:
    // Throws ERR_FILE_READ_FAILED.
    explicit file_reader(const std::string & path);
    ~file_reader();
    file_reader(const file_reader &) = delete;
    file_reader & operator=(const file_reader &) = delete;

    // Throws ERR_FILE_READ_FAILED, also if the file ends before.
    void read(uint64_t offset, void * data, size_t n_bytes) const;

  private:
    [[noreturn]] void fail(const std::string & why) const;

    std::string path_;
#ifdef _WIN32
    void * handle_ = nullptr;
#else
    int handle_ = -1;
#endif
};

}  // namespace overfill
