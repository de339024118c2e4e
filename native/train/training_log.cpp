#include "training_log.h"

#include "failure.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <locale>
#include <sstream>
#include <system_error>

namespace overfill {

namespace fs = std::filesystem;

static std::FILE * open_to_append(const fs::path & path) {
#ifdef _WIN32
    return _wfopen(path.c_str(), L"ab");
#else
    return std::fopen(path.c_str(), "abe");
#endif
}

void training_log::fail(const std::string & why) const {
    throw failure(error_code::file_write_failed, path_ + " cannot be written: " + why, { { "path", path_ } });
}

training_log::training_log(const std::string & path, uint64_t n_bytes) : path_(path) {
    if (path.empty()) return;
    const fs::path name = fs::u8path(path);
    file_.reset(open_to_append(name));
    if (!file_) fail(std::strerror(errno));
    std::error_code error;
    const uint64_t n_there = fs::file_size(name, error);
    if (error) fail(error.message());
    n_bytes_ = std::min(n_there, n_bytes);
    if (n_there > n_bytes_) fs::resize_file(name, n_bytes_, error);
    if (error) fail(error.message());
}

void training_log::write(const std::vector<std::pair<std::string, double>> & values) {
    if (!file_) return;
    std::ostringstream line;
    line.imbue(std::locale::classic());
    line.precision(9);
    line << '{';
    for (size_t i = 0; i < values.size(); i++) {
        line << (i > 0 ? "," : "") << '"' << values[i].first << "\":";
        // JSON has no infinity.
        if (std::isfinite(values[i].second))
            line << values[i].second;
        else
            line << "null";
    }
    line << "}\n";
    const std::string text = line.str();
    if (std::fwrite(text.data(), 1, text.size(), file_.get()) != text.size() || std::fflush(file_.get()) != 0)
        fail(std::strerror(errno));
    n_bytes_ += text.size();
}

}  // namespace overfill
