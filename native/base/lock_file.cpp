#include "staging_folder.h"

#include <cerrno>

#ifdef _WIN32
#define WIN32_LEAN_AND_MEAN
#define NOMINMAX
#include <windows.h>
#else
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

namespace overfill {

#ifdef _WIN32

// A file that is open without sharing can be opened by nobody else.
static void * open_alone(const std::filesystem::path & path, DWORD how) {
    const HANDLE handle =
        CreateFileW(path.c_str(), GENERIC_READ | GENERIC_WRITE, 0, nullptr, how, FILE_ATTRIBUTE_NORMAL, nullptr);
    return handle == INVALID_HANDLE_VALUE ? nullptr : handle;
}

lock_file::outcome lock_file::make(const std::filesystem::path & path, std::error_code & error) {
    handle_ = open_alone(path, CREATE_NEW);
    if (handle_) return outcome::held;
    const DWORD reason = GetLastError();
    if (reason == ERROR_PATH_NOT_FOUND) return outcome::absent;
    error = std::error_code((int) reason, std::system_category());
    return outcome::unknown;
}

lock_file::outcome lock_file::take(const std::filesystem::path & path) {
    handle_ = open_alone(path, OPEN_EXISTING);
    if (handle_) return outcome::held;
    switch (GetLastError()) {
    case ERROR_FILE_NOT_FOUND:
    case ERROR_PATH_NOT_FOUND: return outcome::absent;
    case ERROR_SHARING_VIOLATION: return outcome::busy;
    default: return outcome::unknown;
    }
}

void lock_file::release() {
    if (handle_) CloseHandle(handle_);
    handle_ = nullptr;
}

#else

static int lock(int file, int how) {
    int result;
    do result = flock(file, how);
    while (result != 0 && errno == EINTR);
    return result;
}

// Between the opening of a file and its lock somebody else may have locked and removed it.
static bool is_still_there(int file) {
    struct stat facts = {};
    return fstat(file, &facts) == 0 && facts.st_nlink > 0;
}

lock_file::outcome lock_file::make(const std::filesystem::path & path, std::error_code & error) {
    handle_ = open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (handle_ < 0 && errno == ENOENT) return outcome::absent;
    if (handle_ < 0) {
        error = std::error_code(errno, std::generic_category());
        return outcome::unknown;
    }
    if (lock(handle_, LOCK_EX) != 0) return outcome::unknown;
    if (is_still_there(handle_)) return outcome::held;
    release();
    return outcome::absent;
}

lock_file::outcome lock_file::take(const std::filesystem::path & path) {
    handle_ = open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (handle_ < 0) return errno == ENOENT ? outcome::absent : outcome::unknown;
    if (lock(handle_, LOCK_EX | LOCK_NB) == 0) return outcome::held;
    const bool busy = errno == EWOULDBLOCK;
    release();
    return busy ? outcome::busy : outcome::unknown;
}

void lock_file::release() {
    if (handle_ >= 0) close(handle_);
    handle_ = -1;
}

#endif

}  // namespace overfill
