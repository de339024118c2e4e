#include "file_reader.h"

#include "file_failure.h"

#include <algorithm>
#include <filesystem>
#include <vector>

#ifdef _WIN32
#define WIN32_LEAN_AND_MEAN
#define NOMINMAX
#include <windows.h>
#else
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

namespace overfill {

void file_reader::fail(const std::string & why) const { throw read_failure(path_, why); }

// No system reads more than 2 GiB at once.
static constexpr size_t max_read = (size_t) 1 << 30;

#ifdef _WIN32

file_reader::file_reader(const std::string & path) : path_(path) {
    handle_ = CreateFileW(std::filesystem::u8path(path).c_str(), GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_DELETE,
                          nullptr, OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, nullptr);
    if (handle_ == INVALID_HANDLE_VALUE) fail(std::error_code((int) GetLastError(), std::system_category()).message());
    LARGE_INTEGER size;
    if (!GetFileSizeEx(handle_, &size)) {
        const DWORD error = GetLastError();
        CloseHandle(handle_);
        fail(std::error_code((int) error, std::system_category()).message());
    }
    size_ = (uint64_t) size.QuadPart;
}

file_reader::~file_reader() { CloseHandle(handle_); }

void file_reader::read(uint64_t offset, void * data, size_t n_bytes) const {
    for (size_t done = 0; done < n_bytes;) {
        OVERLAPPED place = {};
        place.Offset = (DWORD) (offset + done);
        place.OffsetHigh = (DWORD) ((offset + done) >> 32);
        DWORD n = 0;
        if (!ReadFile(handle_, static_cast<char *>(data) + done, (DWORD) std::min(n_bytes - done, max_read), &n,
                      &place))
            fail(std::error_code((int) GetLastError(), std::system_category()).message());
        if (n == 0) fail("it ends too early");
        done += n;
    }
}

bool file_reader::is_resident(uint64_t, size_t) const { return false; }

#else

file_reader::file_reader(const std::string & path) : path_(path) {
    handle_ = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (handle_ < 0) fail(system_reason());
    struct stat facts = {};
    const std::string why = fstat(handle_, &facts) != 0 ? system_reason()
                            : S_ISREG(facts.st_mode)    ? ""
                                                        : "it is not a file";
    if (!why.empty()) {
        close(handle_);
        fail(why);
    }
    size_ = (uint64_t) facts.st_size;
}

file_reader::~file_reader() { close(handle_); }

// Of a mapped part, none of whose pages is touched.
bool file_reader::is_resident(uint64_t offset, size_t n_bytes) const {
    const auto page = (uint64_t) sysconf(_SC_PAGESIZE);
    const uint64_t begin = offset / page * page;
    const auto size = (size_t) (offset + n_bytes - begin);
    if (n_bytes == 0 || offset + n_bytes > size_) return false;
#ifdef __linux__
    // Of a file that is neither ours nor may be written, mincore says yes to everything.
    struct stat facts = {};
    if (fstat(handle_, &facts) != 0 || facts.st_uid != geteuid()) return false;
#endif
#ifdef __APPLE__
    using page_state = char;
#else
    using page_state = unsigned char;
#endif
    std::vector<page_state> pages((size + (size_t) page - 1) / (size_t) page);
    void * at = mmap(nullptr, size, PROT_READ, MAP_SHARED, handle_, (off_t) begin);
    if (at == MAP_FAILED) return false;
    const bool told = mincore(at, size, pages.data()) == 0;
    munmap(at, size);
    return told && std::all_of(pages.begin(), pages.end(), [](page_state state) { return (state & 1) != 0; });
}

void file_reader::read(uint64_t offset, void * data, size_t n_bytes) const {
    for (size_t done = 0; done < n_bytes;) {
        const ssize_t n = pread(handle_, static_cast<char *>(data) + done, std::min(n_bytes - done, max_read),
                                (off_t) (offset + done));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) fail(system_reason());
        if (n == 0) fail("it ends too early");
        done += (size_t) n;
    }
}

#endif

}  // namespace overfill
