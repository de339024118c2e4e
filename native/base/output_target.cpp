#include "output_target.h"

#include "file_failure.h"

#ifndef _WIN32
#include <sys/stat.h>
#include <unistd.h>
#endif

namespace overfill {

namespace fs = std::filesystem;

// A file that some process has open, by its number: to replace it would not reach whoever reads it.
static bool is_open_file(const fs::path & path) {
    const std::string name = path.generic_string();
    if (name == "/dev/stdin" || name == "/dev/stdout" || name == "/dev/stderr") return true;
    std::error_code error;
    const std::string folder = fs::canonical(path.parent_path(), error).generic_string();
    const bool of_process =
        folder.rfind("/proc/", 0) == 0 && folder.size() > 3 && folder.compare(folder.size() - 3, 3, "/fd") == 0;
    return !error && (of_process || folder == "/dev/fd");
}

// As opening the file would, also where the last link leads to nothing.
static void follow_links(output_target & target) {
    static constexpr int max_links = 40;  // Linux' own bound
    for (int n_links = 0; n_links <= max_links; n_links++) {
        target.stream = is_open_file(target.path);
        std::error_code error;
        if (target.stream || fs::symlink_status(target.path, error).type() != fs::file_type::symlink) return;
        const fs::path to = fs::read_symlink(target.path, error);
        if (error) throw write_failure(target.name, error.message());
        target.path = to.is_absolute() ? to : target.path.parent_path() / to;
    }
    throw write_failure(target.name, std::make_error_code(std::errc::too_many_symbolic_link_levels).message());
}

static void check_writable(const output_target & target) {
    const fs::perms any = fs::perms::owner_write | fs::perms::group_write | fs::perms::others_write;
    // Asked of the mode itself: the superuser may write everything.
    if ((target.old->mode & any) == fs::perms::none) throw write_failure(target.name, "it is read-only");
#ifndef _WIN32
    if (access(target.path.c_str(), W_OK) != 0) throw write_failure(target.name, system_reason());
#endif
}

static const char * kind_of(const output_target & target) {
    std::error_code error;
    switch (fs::status(target.path, error).type()) {
    case fs::file_type::fifo: return "a pipe";
    case fs::file_type::socket: return "a socket";
    case fs::file_type::block:
    case fs::file_type::character: return "a device";
    default: return "an open file of a process";
    }
}

output_target find_output(const std::string & path) {
    output_target target;
    target.name = path;
    target.path = fs::u8path(path);
    follow_links(target);
    if (target.stream) return target;

    std::error_code error;
    const fs::file_status status = fs::status(target.path, error);
    switch (status.type()) {
    case fs::file_type::not_found: return target;
    case fs::file_type::none: throw write_failure(path, error.message());
    case fs::file_type::directory: throw write_failure(path, "it is a folder");
    case fs::file_type::regular: break;
    default: target.stream = true; return target;
    }
    target.old = output_target::old_file{ status.permissions() };
#ifndef _WIN32
    struct stat facts = {};
    if (stat(target.path.c_str(), &facts) != 0) throw write_failure(path, system_reason());
    target.old->owner = facts.st_uid;
    target.old->group = facts.st_gid;
#endif
    check_writable(target);
    return target;
}

output_target find_output_file(const std::string & path) {
    output_target target = find_output(path);
    if (target.stream)
        throw write_failure(path, std::string("it is ") + kind_of(target) +
                                      ", but this output needs a regular file, which gets its name once complete");
    return target;
}

void output_target::keep_attributes(const fs::path & made) const {
    if (!old) return;
#ifndef _WIN32
    // Only the superuser can give a file away, and others only to their own groups: what cannot be had is not an
    // error, as the file is whole and theirs.
    if (chown(made.c_str(), old->owner, old->group) != 0 && chown(made.c_str(), (uid_t) -1, old->group) != 0) errno = 0;
#endif
    std::error_code error;
    fs::permissions(made, old->mode, error);  // after the owner: a change of owner takes bits away
    if (error) throw write_failure(name, error.message());
}

}  // namespace overfill
