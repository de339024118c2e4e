#include "mapped_file.h"

#include "file_failure.h"
#include "file_reader.h"
#include "input_file.h"

#include <new>

#ifndef _WIN32
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

namespace overfill {

static kept_bytes read_whole(const std::string & path, size_t n_bytes) {
    std::shared_ptr<uint8_t> bytes(new uint8_t[n_bytes], std::default_delete<uint8_t[]>());
    file_reader(path).read(0, bytes.get(), n_bytes);
    return { bytes, n_bytes };
}

#ifdef _WIN32

kept_bytes map_file(const std::string & path) { return read_whole(path, (size_t) check_input_file(path, data_codes)); }

#else

static size_t size_of(int file, const std::string & path) {
    struct stat facts = {};
    if (fstat(file, &facts) != 0) throw read_failure(path, system_reason());
    if (!S_ISREG(facts.st_mode)) throw read_failure(path, "it is not a file");
    return (size_t) facts.st_size;
}

kept_bytes map_file(const std::string & path) {
    check_input_file(path, data_codes);
    struct open_file {
        int handle;
        ~open_file() {
            if (handle >= 0) close(handle);
        }
    } const file{ open(path.c_str(), O_RDONLY | O_CLOEXEC) };
    if (file.handle < 0) throw read_failure(path, system_reason());
    const size_t n_bytes = size_of(file.handle, path);
    if (n_bytes == 0) return {};
    void * at = mmap(nullptr, n_bytes, PROT_READ, MAP_PRIVATE, file.handle, 0);
    if (at == MAP_FAILED) return read_whole(path, n_bytes);
    // A hint, without which the same bytes come more slowly.
    madvise(at, n_bytes, MADV_WILLNEED);
    return { std::shared_ptr<const uint8_t>(
                 static_cast<const uint8_t *>(at),
                 [n_bytes](const uint8_t * p) { munmap(const_cast<uint8_t *>(p), n_bytes); }),
             n_bytes };
}

#endif

}  // namespace overfill
