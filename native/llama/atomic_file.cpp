#include "atomic_file.h"

#include "failure.h"

#include <cerrno>
#include <cstring>
#include <random>
#include <system_error>

#ifdef _WIN32
#include <io.h>
#else
#include <unistd.h>
#endif

namespace overfill {

namespace fs = std::filesystem;

static std::FILE * open_new(const fs::path & path) {
#ifdef _WIN32
    return _wfopen(path.c_str(), L"wbx");
#else
    return std::fopen(path.c_str(), "wbx");
#endif
}

static int bring_to_disk(std::FILE * file) {
#ifdef _WIN32
    return _commit(_fileno(file));
#else
    return fsync(fileno(file));
#endif
}

void atomic_file::fail(const std::string & why) const {
    throw failure(error_code::file_write_failed, name_ + " cannot be written: " + why, { { "path", name_ } });
}

atomic_file::atomic_file(const std::string & path) : name_(path), path_(fs::u8path(path)) {
    std::error_code error;
    if (fs::is_directory(path_, error)) fail("it is a folder");
    std::random_device random;
    temporary_ = path_;
    temporary_ += "." + std::to_string(random()) + ".part";
    file_.reset(open_new(temporary_));
    if (!file_) fail(std::strerror(errno));
}

atomic_file::~atomic_file() {
    if (temporary_.empty()) return;
    file_.reset();
    std::error_code error;
    fs::remove(temporary_, error);
}

void atomic_file::write(const void * data, size_t n_bytes) {
    if (std::fwrite(data, 1, n_bytes, file_.get()) != n_bytes) fail(std::strerror(errno));
}

void atomic_file::commit() {
    if (std::fflush(file_.get()) != 0 || bring_to_disk(file_.get()) != 0) fail(std::strerror(errno));
    if (std::fclose(file_.release()) != 0) fail(std::strerror(errno));
    std::error_code error;
    fs::rename(temporary_, path_, error);
    if (error) fail(error.message());
    temporary_.clear();
}

}  // namespace overfill
