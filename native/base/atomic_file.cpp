#include "atomic_file.h"

#include "file_failure.h"

#include <cstdio>
#include <memory>

namespace overfill {

void atomic_file::write(const void * data, size_t n_bytes) {
    files_.write(data, n_bytes);
    n_bytes_ += n_bytes;
}

void atomic_file::finish() {
    if (finished_) return;
    files_.close();
    finished_ = true;
}

void atomic_file::commit() {
    finish();
    files_.commit();
}

static void write_into(const output_target & target, std::string_view text) {
    struct close_file {
        void operator()(std::FILE * file) const { std::fclose(file); }
    };
#ifdef _WIN32
    std::unique_ptr<std::FILE, close_file> file(_wfopen(target.path.c_str(), L"ab"));
#else
    std::unique_ptr<std::FILE, close_file> file(std::fopen(target.path.c_str(), "abe"));
#endif
    if (!file || std::fwrite(text.data(), 1, text.size(), file.get()) != text.size() || std::fflush(file.get()) != 0)
        throw write_failure(target.name, system_reason());
}

void write_text(const std::string & path, std::string_view text) {
    const output_target target = find_output(path);
    if (target.stream) return write_into(target, text);
    atomic_file file(path);
    file.write(text.data(), text.size());
    file.commit();
}

}  // namespace overfill
