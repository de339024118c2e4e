#include "staging_folder.h"

#include "file_failure.h"

#include <algorithm>
#include <random>
#include <vector>

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

// The lock goes last, or a removal that is itself cut short would leave a folder that nobody dares to touch.
static void remove_folder(const fs::path & folder, lock_file & lock) {
    std::error_code error;
    std::vector<fs::path> inside;
    for (fs::directory_iterator i(folder, error), end; !error && i != end; i.increment(error))
        if (i->path().filename() != lock_name) inside.push_back(i->path());
    for (const fs::path & path : inside) fs::remove_all(path, error);
    lock.release();
    fs::remove(folder / lock_name, error);
    fs::remove(folder, error);
}

static void remove_leftovers(const fs::path & parent) {
    std::error_code error;
    std::vector<fs::path> found;
    for (fs::directory_iterator i(parent, error), end; !error && i != end; i.increment(error)) {
        std::error_code own;
        if (is_staging_name(i->path().filename().u8string()) &&
            i->symlink_status(own).type() == fs::file_type::directory)
            found.push_back(i->path());
    }
    for (const fs::path & folder : found) {
        lock_file lock;
        const lock_file::outcome outcome = lock.take(folder / lock_name);
        if (outcome == lock_file::outcome::held) remove_folder(folder, lock);
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
        const bool made = fs::create_directory(path_, error);
        if (error) throw write_failure(name, error.message());
        if (!made) continue;
        if (lock_.make(path_ / lock_name, error) != lock_file::outcome::absent && !error) return;
        std::error_code ignored;
        fs::remove(path_, ignored);
        if (error) throw write_failure(name, error.message());
    }
    throw write_failure(name, "its temporary folder keeps disappearing");
}

staging_folder::~staging_folder() { remove_folder(path_, lock_); }

}  // namespace overfill
