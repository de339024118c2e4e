#include "staged_files.h"

#include "file_failure.h"

#include <system_error>

namespace overfill {

namespace fs = std::filesystem;

staged_files::staged_files(const std::vector<std::string> & paths) {
    for (const std::string & path : paths) targets_.push_back(find_output_file(path));
    folder_ = std::make_unique<staging_folder>(targets_[0].path, targets_[0].name);
}

staged_files::~staged_files() { file_.abandon(); }

fs::path staged_files::staged(size_t file) const {
    return folder_->path() / fs::u8path(targets_[file].name).filename();
}

fs::path staged_files::before(size_t file) const {
    return folder_->path() / (".overfill-before-" + std::to_string(file));
}

void staged_files::open(size_t file, bool buffered) {
    open_ = file;
    if (!file_.open(staged(file), buffered)) throw write_failure(targets_[file].name, system_reason());
}

void staged_files::write(const void * data, size_t n_bytes) {
    if (!file_.write(data, n_bytes)) throw write_failure(targets_[open_].name, system_reason());
}

void staged_files::write_first(const void * data, size_t n_bytes) {
    if (!file_.write_first(data, n_bytes)) throw write_failure(targets_[open_].name, system_reason());
}

void staged_files::close() {
    if (!file_.close()) throw write_failure(targets_[open_].name, system_reason());
}

void staged_files::move(size_t file, std::error_code & error) const {
    fs::rename(staged(file), targets_[file].path, error);
}

void staged_files::undo(size_t n_moved, const std::vector<bool> & was_there) {
    std::error_code error;
    for (size_t i = targets_.size() - n_moved; i < targets_.size(); i++) {
        if (was_there[i])
            fs::rename(before(i), targets_[i].path, error);
        else
            fs::remove(targets_[i].path, error);
    }
}

void staged_files::commit() {
    for (size_t i = 0; i < targets_.size(); i++) targets_[i].keep_attributes(staged(i));
    std::error_code error;
    if (targets_.size() == 1) {
        move(0, error);
        if (error) throw write_failure(targets_[0].name, error.message());
        return;
    }
    // What has the names gets a second one, so that it can be put back and no name is without a file meanwhile.
    std::vector<bool> was_there(targets_.size(), false);
    for (size_t i = 0; i < targets_.size(); i++) {
        if (!fs::exists(targets_[i].path, error)) continue;
        fs::create_hard_link(targets_[i].path, before(i), error);
        if (error) fs::copy_file(targets_[i].path, before(i), error);  // not every file system has links
        if (error) throw write_failure(targets_[i].name, error.message());
        was_there[i] = true;
    }
    // The first part, by which the others are found, comes last.
    for (size_t n_moved = 0; n_moved < targets_.size(); n_moved++) {
        const size_t i = targets_.size() - 1 - n_moved;
        move(i, error);
        if (!error) continue;
        const std::string why = error.message();
        undo(n_moved, was_there);
        throw write_failure(targets_[i].name, why);
    }
}

}  // namespace overfill
