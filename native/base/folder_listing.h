// What is in a folder. std::filesystem's iterators will not do: in libstdc++ the step to the next entry takes memory
// and is noexcept, so that the process ends where there is none.
#pragma once

#include <filesystem>
#include <system_error>
#include <vector>

namespace overfill {

// The paths of a folder's entries, in any order and without "." and ".."; those before the error if there is one.
// Throws std::bad_alloc.
std::vector<std::filesystem::path> entries_of(const std::filesystem::path & folder, std::error_code & error);

// A folder that is open, so that its files can be removed later even if neither memory nor a descriptor can be had then
// (on Windows only if memory can).
class open_folder {
  public:
    explicit open_folder(const std::filesystem::path & path, std::error_code & error);
    ~open_folder();
    open_folder(const open_folder &) = delete;
    open_folder & operator=(const open_folder &) = delete;

    // Whether all files are gone but the one of this name; folders count as files that cannot be removed.
    bool remove_files_but(const char * name) noexcept;
    void remove_file(const char * name) noexcept;

  private:
#ifdef _WIN32
    std::filesystem::path path_;
#else
    void * open_ = nullptr;
#endif
};

}  // namespace overfill
