// A hidden folder beside an output, in which it is written until it is complete: `.overfill-<16 hex digits>.part`. The
// name is of one length, so that an output's own name may be as long as the file system allows.
//
// The folder holds a file that its process keeps locked. The system lets go of the lock when the process ends, however
// it ends, so that whoever makes the next folder beside it tells what a killed process has left from what a living one
// is writing, and removes it. On a file system without locks nothing is removed.
#pragma once

#include "folder_listing.h"

#include <filesystem>
#include <memory>
#include <string>

namespace overfill {

// A file that one process at a time can hold.
class lock_file {
  public:
    enum class outcome {
        held,     // by this object
        busy,     // by another one
        absent,   // there is no such file, or no longer
        unknown,  // the system does not say
    };

    lock_file() = default;
    ~lock_file() { release(); }
    lock_file(const lock_file &) = delete;
    lock_file & operator=(const lock_file &) = delete;

    // Makes the file, and holds it. `unknown` where it could be made but not locked.
    outcome make(const std::filesystem::path & path, std::error_code & error);
    outcome take(const std::filesystem::path & path);
    void release();

  private:
#ifdef _WIN32
    void * handle_ = nullptr;
#else
    int handle_ = -1;
#endif
};

class staging_folder {
  public:
    // In the folder of `output`, which must be there; what dead processes have left there goes. `name` is for the
    // message. Throws ERR_FILE_WRITE_FAILED.
    staging_folder(const std::filesystem::path & output, const std::string & name);
    // Removes the folder and all that is still in it.
    ~staging_folder();
    staging_folder(const staging_folder &) = delete;
    staging_folder & operator=(const staging_folder &) = delete;

    const std::filesystem::path & path() const { return path_; }

  private:
    void give_up(const std::filesystem::path & lock_path) noexcept;

    std::filesystem::path path_;
    std::unique_ptr<open_folder> open_;
    lock_file lock_;
};

}  // namespace overfill
