#include "folder_listing.h"

#ifndef _WIN32
#include <cerrno>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <memory>
#include <unistd.h>
#else
#include <new>
#endif

namespace overfill {

namespace fs = std::filesystem;

#ifdef _WIN32

std::vector<fs::path> entries_of(const fs::path & folder, std::error_code & error) {
    std::vector<fs::path> out;
    for (fs::directory_iterator i(folder, error), end; !error && i != end; i.increment(error)) out.push_back(i->path());
    return out;
}

open_folder::open_folder(const fs::path & path, std::error_code & error) : path_(path) { error.clear(); }

open_folder::~open_folder() = default;

bool open_folder::remove_files_but(const char * name) noexcept {
    try {
        std::error_code error;
        const std::vector<fs::path> inside = entries_of(path_, error);
        bool gone = !error;
        for (const fs::path & path : inside)
            if (path.filename() != name) gone = (fs::remove(path, error), !error) && gone;
        return gone;
    } catch (const std::bad_alloc &) {
        return false;
    }
}

void open_folder::remove_file(const char * name) noexcept {
    try {
        std::error_code ignored;
        fs::remove(path_ / name, ignored);
    } catch (const std::bad_alloc &) {
        return;  // whoever writes there next removes it
    }
}

#else

static bool is_entry(const dirent & of) {
    return std::strcmp(of.d_name, ".") != 0 && std::strcmp(of.d_name, "..") != 0;
}

std::vector<fs::path> entries_of(const fs::path & folder, std::error_code & error) {
    struct close_folder {
        void operator()(DIR * open) const { closedir(open); }
    };
    std::vector<fs::path> out;
    error.clear();
    errno = 0;
    const std::unique_ptr<DIR, close_folder> open(opendir(folder.c_str()));
    while (const dirent * entry = open ? readdir(open.get()) : nullptr) {
        if (is_entry(*entry)) out.push_back(folder / entry->d_name);
        errno = 0;
    }
    if (errno != 0) error.assign(errno, std::generic_category());
    return out;
}

static DIR * folder_of(void * open) { return static_cast<DIR *>(open); }

open_folder::open_folder(const fs::path & path, std::error_code & error) : open_(opendir(path.c_str())) {
    if (open_)
        error.clear();
    else
        error.assign(errno, std::generic_category());
}

open_folder::~open_folder() {
    if (open_) closedir(folder_of(open_));
}

bool open_folder::remove_files_but(const char * name) noexcept {
    if (!open_) return false;
    DIR * const folder = folder_of(open_);
    while (true) {
        bool removed = false, stuck = false;
        rewinddir(folder);
        errno = 0;
        while (const dirent * entry = readdir(folder)) {
            if (!is_entry(*entry) || std::strcmp(entry->d_name, name) == 0) continue;
            (unlinkat(dirfd(folder), entry->d_name, 0) == 0 ? removed : stuck) = true;
            errno = 0;
        }
        if (stuck || errno != 0) return false;
        // What follows a removal may have been passed over.
        if (!removed) return true;
    }
}

void open_folder::remove_file(const char * name) noexcept {
    if (open_) unlinkat(dirfd(folder_of(open_)), name, 0);
}

#endif

}  // namespace overfill
