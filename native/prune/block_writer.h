// Turns tensor cuts into the bytes of a file, block by block: read, dequantise, gather, scale, convert. While one block
// is made by all threads, the one before it is written. Memory: two blocks, and a few rows for each thread.
#pragma once

#include "cut_layout.h"
#include "row_conversion.h"
#include "staged_files.h"
#include "thread_team.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <vector>

namespace overfill {

class block_writer {
  public:
    // `on_written` gets the number of bytes that went to the file since the last call.
    block_writer(const parent_model & parent, staged_files & out, int32_t n_threads,
                 std::function<void(uint64_t n_bytes)> on_written, const std::atomic<bool> & stop);

    void add(const tensor_cut & tensor);
    void add_bytes(const void * data, size_t n_bytes);
    void add_zeros(size_t n_bytes) { add_bytes(std::vector<char>(n_bytes).data(), n_bytes); }
    // Writes what is left; before the file is closed.
    void flush();

  private:
    struct scratch {
        std::vector<uint8_t> raw;
        std::vector<float> whole, gathered;
    };

    void make_block(const tensor_cut & tensor, int64_t first_row, int64_t n_rows);
    [[noreturn]] void refuse_values(const tensor_cut & tensor) const;
    void make_rows(const tensor_cut & tensor, int64_t first_row, int64_t n_rows, uint8_t * out, scratch & own) const;
    void read_rows(const tensor_cut & tensor, int64_t first_row, int64_t n_rows, uint8_t * out) const;
    void to_floats(ggml_type type, const uint8_t * in, float * out, int64_t n) const;
    void from_floats(ggml_type type, const float * in, uint8_t * out, int64_t n_rows, int64_t n) const;
    void scale_rows(const tensor_cut & tensor, int64_t first_row, int64_t n_rows, float * values) const;

    const parent_model & parent_;
    staged_files & out_;
    thread_team team_;
    std::function<void(uint64_t)> on_written_;
    const std::atomic<bool> & stop_;
    std::vector<scratch> scratches_;
    row_conversion half_;                     // the processor's own, which rounds as ggml does
    std::vector<uint8_t> filling_, waiting_;  // the block being made, and the one to be written
};

}  // namespace overfill
