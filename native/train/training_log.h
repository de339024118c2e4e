// The log of a training: a line of JSON for every step and every evaluation.
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace overfill {

class training_log {
  public:
    // Without a path nothing is written. What the file holds behind `n_bytes` goes: a resumed run writes it again. A
    // device or a pipe is written into. Throws ERR_FILE_WRITE_FAILED.
    training_log(const std::string & path, uint64_t n_bytes);

    // The line is with the system when this returns. Throws ERR_FILE_WRITE_FAILED.
    void write(const std::vector<std::pair<std::string, double>> & values);

    uint64_t n_bytes() const { return n_bytes_; }

  private:
    struct close_file {
        void operator()(std::FILE * file) const { std::fclose(file); }
    };
    std::string path_;
    std::unique_ptr<std::FILE, close_file> file_;
    uint64_t n_bytes_ = 0;
};

}  // namespace overfill
