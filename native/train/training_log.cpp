#include "training_log.h"

#include "file_failure.h"
#include "output_target.h"

#include <algorithm>
#include <cmath>
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

training_log::training_log(const std::string & path, uint64_t n_bytes) : path_(path) {
    if (path.empty()) return;
    const output_target target = find_output(path);
    file_.reset(open_to_append(target.path));
    if (!file_) throw write_failure(path, system_reason());
    if (target.stream) return;  // what went into it cannot be taken back
    std::error_code error;
    const uint64_t n_there = fs::file_size(target.path, error);
    if (error) throw write_failure(path, error.message());
    n_bytes_ = std::min(n_there, n_bytes);
    if (n_there > n_bytes_) fs::resize_file(target.path, n_bytes_, error);
    if (error) throw write_failure(path, error.message());
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
        throw write_failure(path_, system_reason());
    n_bytes_ += text.size();
}

}  // namespace overfill
