// Reads from any place of a file, from any thread, without moving a shared position. Whoever replaces the file
// meanwhile by a rename changes nothing here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace overfill {

class file_reader {
  public:
    // Throws ERR_FILE_READ_FAILED, also where it is no file, such as a folder.
    explicit file_reader(const std::string & path);
    ~file_reader();
    file_reader(const file_reader &) = delete;
    file_reader & operator=(const file_reader &) = delete;

    // As it was when it was opened.
    uint64_t size() const { return size_; }

    // Whether the system has this part in memory, as far as it tells: false where it does not.
    bool is_resident(uint64_t offset, size_t n_bytes) const;

    // Throws ERR_FILE_READ_FAILED, also if the file ends before.
    void read(uint64_t offset, void * data, size_t n_bytes) const;

  private:
    [[noreturn]] void fail(const std::string & why) const;

    std::string path_;
    uint64_t size_ = 0;
#ifdef _WIN32
    void * handle_ = nullptr;
#else
    int handle_ = -1;
#endif
};

}  // namespace overfill
