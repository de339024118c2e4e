// A GGUF model written tensor by tensor: nothing but a few rows is held in memory. The file appears whole or not at
// all.
#pragma once

#include "atomic_file.h"
#include "gguf_writing.h"

#include <ggml.h>
#include <gguf.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace overfill {

// How many rows to hold at a time.
int64_t rows_at_once(int64_t n_per_row);

class model_writer {
  public:
    // `head` has the metadata and the tensors' descriptions, in the order in which their data will come. Throws
    // ERR_FILE_WRITE_FAILED, here and below.
    model_writer(const gguf_context * head, const std::string & out_path);

    // The next rows of a tensor: as they are stored, or as values to be stored in this type. False if there is a value
    // that the type cannot hold.
    void add_bytes(const void * data, size_t n_bytes);
    bool add_values(const float * values, int64_t n_rows, int64_t n_per_row, ggml_type type);
    void end_tensor();

    // Returns the file's size.
    uint64_t commit();
    // The file as it was written, for somebody else to commit.
    std::unique_ptr<atomic_file> release() { return std::move(file_); }

  private:
    std::unique_ptr<atomic_file> file_;
    size_t alignment_;
    std::vector<uint8_t> converted_;  // reused
};

}  // namespace overfill
