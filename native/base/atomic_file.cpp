#include "atomic_file.h"

#include "failure.h"

#include <cerrno>
#include <cstring>
#include <random>
#include <system_error>

namespace overfill {

namespace fs = std::filesystem;

void atomic_file::fail(const std::string & why) const {
    throw failure(error_code::file_write_failed, name_ + " cannot be written: " + why, { { "path", name_ } });
}

atomic_file::atomic_file(const std::string & path) : name_(path), path_(fs::u8path(path)) {
    std::error_code error;
    if (fs::is_directory(path_, error)) fail("it is a folder");
    std::random_device random;
    temporary_ = path_;
    temporary_ += "." + std::to_string(random()) + ".part";
    if (!file_.open(temporary_, /*buffered*/ true)) fail(std::strerror(errno));
}

atomic_file::~atomic_file() {
    if (temporary_.empty()) return;
    file_.abandon();
    std::error_code error;
    fs::remove(temporary_, error);
}

void atomic_file::write(const void * data, size_t n_bytes) {
    if (!file_.write(data, n_bytes)) fail(std::strerror(errno));
    n_bytes_ += n_bytes;
}

void atomic_file::finish() {
    if (finished_) return;
    if (!file_.close()) fail(std::strerror(errno));
    finished_ = true;
}

void atomic_file::commit() {
    finish();
    std::error_code error;
    fs::rename(temporary_, path_, error);
    if (error) fail(error.message());
    temporary_.clear();
}

}  // namespace overfill
