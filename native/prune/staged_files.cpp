#include "staged_files.h"

#include "failure.h"

#include <cerrno>
#include <cstring>
#include <random>
#include <system_error>

namespace overfill {

namespace fs = std::filesystem;

void staged_files::fail(size_t file, const std::string & why) const {
    throw failure(error_code::file_write_failed, paths_[file] + " cannot be written: " + why,
                  { { "path", paths_[file] } });
}

staged_files::staged_files(std::vector<std::string> paths) : paths_(std::move(paths)) {
    std::error_code error;
    for (size_t i = 0; i < paths_.size(); i++)
        if (fs::is_directory(fs::u8path(paths_[i]), error)) fail(i, "it is a folder");
    std::random_device random;
    fs::path folder = fs::u8path(paths_[0]);
    folder += "." + std::to_string(random()) + ".part";
    if (!fs::create_directory(folder, error))
        fail(0, error ? error.message() : "its temporary folder is there already");
    folder_ = folder;
}

staged_files::~staged_files() {
    file_.abandon();
    std::error_code error;
    fs::remove_all(folder_, error);
}

fs::path staged_files::aside(size_t file) const { return folder_ / (std::to_string(file) + ".before"); }

std::string staged_files::staged_path(size_t file) const {
    return (folder_ / fs::u8path(paths_[file]).filename()).u8string();
}

void staged_files::open(size_t file) {
    open_ = file;
    // Blocks are large, and a second copy of them would only cost time.
    if (!file_.open(fs::u8path(staged_path(file)), /*buffered*/ false)) fail(file, std::strerror(errno));
}

void staged_files::write(const void * data, size_t n_bytes) {
    if (!file_.write(data, n_bytes)) fail(open_, std::strerror(errno));
}

void staged_files::close() {
    if (!file_.close()) fail(open_, std::strerror(errno));
}

void staged_files::undo(size_t n_moved, const std::vector<bool> & set_aside) {
    std::error_code error;
    for (size_t i = paths_.size() - n_moved; i < paths_.size(); i++) fs::remove(fs::u8path(paths_[i]), error);
    for (size_t i = 0; i < paths_.size(); i++)
        if (set_aside[i]) fs::rename(aside(i), fs::u8path(paths_[i]), error);
}

void staged_files::commit() {
    std::error_code error;
    if (paths_.size() == 1) {
        fs::rename(fs::u8path(staged_path(0)), fs::u8path(paths_[0]), error);
        if (error) fail(0, error.message());
        return;
    }
    // What has the names is set aside first, so that it can be put back.
    std::vector<bool> set_aside(paths_.size(), false);
    for (size_t i = 0; i < paths_.size(); i++) {
        const fs::path path = fs::u8path(paths_[i]);
        if (!fs::exists(path, error)) continue;
        fs::rename(path, aside(i), error);
        if (error) {
            const std::string why = error.message();
            undo(0, set_aside);
            fail(i, why);
        }
        set_aside[i] = true;
    }
    // The first part, by which the others are found, comes last.
    for (size_t n_moved = 0; n_moved < paths_.size(); n_moved++) {
        const size_t i = paths_.size() - 1 - n_moved;
        fs::rename(fs::u8path(staged_path(i)), fs::u8path(paths_[i]), error);
        if (!error) continue;
        const std::string why = error.message();
        undo(n_moved, set_aside);
        fail(i, why);
    }
}

}  // namespace overfill
