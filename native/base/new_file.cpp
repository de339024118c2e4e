#include "new_file.h"

#ifdef _WIN32
#include <io.h>
#else
#include <unistd.h>
#endif

namespace overfill {

bool new_file::open(const std::filesystem::path & path, bool buffered) {
#ifdef _WIN32
    file_.reset(_wfopen(path.c_str(), L"wbx"));
#else
    file_.reset(std::fopen(path.c_str(), "wbx"));
#endif
    if (file_ && !buffered) std::setvbuf(file_.get(), nullptr, _IONBF, 0);
    return file_ != nullptr;
}

bool new_file::write_first(const void * data, size_t n_bytes) {
    return std::fseek(file_.get(), 0, SEEK_SET) == 0 && write(data, n_bytes);
}

static int bring_to_disk(std::FILE * file) {
#ifdef _WIN32
    return _commit(_fileno(file));
#else
    return fsync(fileno(file));
#endif
}

bool new_file::close() {
    if (std::fflush(file_.get()) != 0 || bring_to_disk(file_.get()) != 0) return false;
    return std::fclose(file_.release()) == 0;
}

}  // namespace overfill
