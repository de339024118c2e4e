// Turns stored tensors into quantised ones, block by block: read, to floats, quantise. While one block is made by all
// threads, the one before it is written. Memory: two blocks, and a few rows for each thread.
#pragma once

#include "quantize_plan.h"
#include "staged_files.h"
#include "thread_team.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <vector>

namespace overfill {

class row_quantizer {
  public:
    // `on_written` gets the number of bytes that went to the file since the last call.
    row_quantizer(const stored_tensors & model, staged_files & out, int32_t n_threads,
                  std::function<void(uint64_t n_bytes)> on_written, const std::atomic<bool> & stop);

    // Throws ERR_MODEL_INVALID for values that are no finite numbers, before or after.
    void add(const quantized_tensor & tensor);
    void add_bytes(const void * data, size_t n_bytes);
    void add_zeros(size_t n_bytes) { add_bytes(std::vector<char>(n_bytes).data(), n_bytes); }
    // Writes what is left; before the file is closed.
    void flush();

  private:
    struct scratch {
        std::vector<uint8_t> raw;
        std::vector<float> values;
    };

    void make_block(const quantized_tensor & tensor, int64_t first_row, int64_t n_rows);
    void make_rows(const quantized_tensor & tensor, int64_t first_row, int64_t n_rows, uint8_t * out,
                   scratch & own) const;
    void quantize_rows(const quantized_tensor & tensor, int64_t first_row, int64_t n_rows, const float * values,
                       uint8_t * out) const;
    [[noreturn]] void refuse_values(const quantized_tensor & tensor, const std::string & why) const;
    void check_stop() const;

    const stored_tensors & model_;
    staged_files & out_;
    thread_team team_;
    std::function<void(uint64_t)> on_written_;
    const std::atomic<bool> & stop_;
    std::vector<scratch> scratches_;
    std::vector<uint8_t> filling_, waiting_;  // the block being made, and the one to be written
};

}  // namespace overfill
