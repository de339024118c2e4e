// For this room only (it includes llama.cpp's internals): a recurrent state out of its memory and back, by llama.cpp's
// own writer and reader. What they tell about the state goes one way, the values another.
#pragma once

#include "llama-io.h"

#include <ggml-backend.h>
#include <llama.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <vector>

namespace overfill {

class state_writer final : public llama_io_write_i {
  public:
    // `to`: room for the values; null: they are counted.
    state_writer(std::vector<uint8_t> & about, uint8_t * to) : about_(about), to_(to) {}

    void write(const void * src, size_t size) override {
        const auto * from = static_cast<const uint8_t *>(src);
        about_.insert(about_.end(), from, from + size);
    }
    void write_tensor(ggml_tensor * tensor, size_t offset, size_t size) override {
        if (to_) ggml_backend_tensor_get(tensor, to_ + n_values_, offset, size);
        n_values_ += size;
    }
    size_t n_bytes() override { return about_.size() + n_values_; }
    size_t n_values() const { return n_values_; }

  private:
    std::vector<uint8_t> & about_;
    uint8_t * to_;
    size_t n_values_ = 0;
};

class state_reader final : public llama_io_read_i {
  public:
    state_reader(const std::vector<uint8_t> & about, const uint8_t * values, size_t n_values)
        : about_(about), values_(values), n_values_(n_values) {}

    void read(void * dst, size_t size) override {
        if (size > about_.size() - at_) throw std::runtime_error("a state ends too early");
        std::memcpy(dst, about_.data() + at_, size);
        at_ += size;
    }
    void read_tensor(ggml_tensor * tensor, size_t offset, size_t size) override {
        if (size > n_values_ - n_read_) throw std::runtime_error("a state's values end too early");
        ggml_backend_tensor_set(tensor, values_ + n_read_, offset, size);
        n_read_ += size;
    }
    size_t n_bytes() override { return at_ + n_read_; }
    bool at_end() const { return at_ == about_.size() && n_read_ == n_values_; }

  private:
    const std::vector<uint8_t> & about_;
    size_t at_ = 0;
    const uint8_t * values_;
    size_t n_values_, n_read_ = 0;
};

// What llama.cpp writes first of a state: the number of cells, then of each its position and of how many sequences it
// is (none are named, where one is saved).
struct state_head {
    uint32_t n_cells;
    llama_pos position;
    uint32_t n_sequences;
};

}  // namespace overfill
