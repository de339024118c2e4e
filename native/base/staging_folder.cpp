#include "staging_folder.h"

#include "file_failure.h"
#include "folder_listing.h"

#include <algorithm>
#include <random>

namespace overfill {

namespace fs = std::filesystem;

static const std::string name_begin = ".overfill-", name_end = ".part";
static constexpr size_t n_digits = 16;
static const char * const lock_name = ".overfill-lock";

static std::string new_name() {
    static const char digits[] = "0123456789abcdef";
    std::random_device random;
    std::string name = name_begin;
    for (size_t i = 0; i < n_digits; i++) name += digits[random() % 16];
    return name + name_end;
}

static bool is_staging_name(const std::string & name) {
    if (name.size() != name_begin.size() + n_digits + name_end.size() || name.rfind(name_begin, 0) != 0 ||
        name.compare(name.size() - name_end.size(), name_end.size(), name_end) != 0)
        return false;
    const auto digits = name.begin() + (long) name_begin.size();
    return std::all_of(digits, digits + n_digits,
                       [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

// The lock goes last, and stays where something else does: nobody dares to touch a folder that has things in it and no
// lock, while whoever writes there next removes one whose lock is free.
static void remove_folder(const fs::path & path, open_folder & folder, lock_file & lock) noexcept {
    const bool emptied = folder.remove_files_but(lock_name);
    lock.release();
    if (!emptied) return;
    folder.remove_file(lock_name);
    std::error_code error;
    fs::remove(path, error);
}

static void remove_leftovers(const fs::path & parent) {
    std::error_code error;
    for (const fs::path & folder : entries_of(parent, error)) {
        if (!is_staging_name(folder.filename().u8string()) ||
            fs::symlink_status(folder, error).type() != fs::file_type::directory)
            continue;
        lock_file lock;
        const lock_file::outcome outcome = lock.take(folder / lock_name);
        if (outcome == lock_file::outcome::held) {
            open_folder inside(folder, error);
            remove_folder(folder, inside, lock);
        }
        // Made and not locked yet, or about to be removed: only an empty folder goes, and its maker makes another.
        if (outcome == lock_file::outcome::absent) fs::remove(folder, error);
    }
}

staging_folder::staging_folder(const fs::path & output, const std::string & name) {
    const fs::path parent = output.has_parent_path() ? output.parent_path() : fs::path(".");
    remove_leftovers(parent);
    static constexpr int n_attempts = 100;
    std::error_code error;
    for (int attempt = 0; attempt < n_attempts; attempt++) {
        path_ = parent / new_name();
        const fs::path lock_path = path_ / lock_name;  // while there is nothing yet to be left behind
        const bool made = fs::create_directory(path_, error);
        if (error) throw write_failure(name, error.message());
        if (!made) continue;
        const lock_file::outcome locked = lock_.make(lock_path, error);
        if (locked != lock_file::outcome::absent && !error) {
            try {
                open_ = std::make_unique<open_folder>(path_, error);
            } catch (...) {
                give_up(lock_path);
                throw;
            }
            if (!error) return;
        }
        give_up(lock_path);
        if (error) throw write_failure(name, error.message());
    }
    throw write_failure(name, "its temporary folder keeps disappearing");
}

void staging_folder::give_up(const fs::path & lock_path) noexcept {
    std::error_code ignored;
    lock_.release();
    fs::remove(lock_path, ignored);
    fs::remove(path_, ignored);
}

staging_folder::~staging_folder() { remove_folder(path_, *open_, lock_); }

}  // namespace overfill
