// Translations made by code, without a model: caches filled with random values, the steps between them, and the cells
// of one job. The same cases run on the CPU shim and on a CUDA device.
#pragma once

#include "translation.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace overfill::test {

// What a side of every layer looks like.
struct side_shape {
    ggml_type type = GGML_TYPE_F16;
    bool transposed = false;
    uint32_t n_head = 2;
    uint32_t head_size = 64;
    uint32_t hadamard = 0;
    uint32_t n_cells = 48;
    uint32_t n_stream = 1;
};

struct case_shape {
    side_shape from, to;
    std::shared_ptr<const rope_parameters> unrotate, rerotate;
    bool map = false, bias = false;
    uint32_t n_layers = 2;
    uint32_t n_moves = 37;
    bool holes = false;  // cells in random order, with others between them
    llama_pos first_position = 0;
    uint32_t from_stream = 0, to_stream = 0;

    std::string title() const;
};

std::shared_ptr<const rope_parameters> make_rope(int type, int32_t n_dims, float base);

class kernel_case {
  public:
    kernel_case(const case_shape & shape, uint32_t seed);
    ~kernel_case();
    kernel_case(const kernel_case &) = delete;
    kernel_case & operator=(const kernel_case &) = delete;

    translation plan;
    translate_job job;
    // The bytes of one step's tensors, all streams. The tensors point at them.
    struct memory {
        std::vector<uint8_t> from, to;
    };
    std::vector<memory> steps;

    // Compares every cell that the job moves with the reference, and every other byte with what it was. Returns the
    // largest error as a part of what is allowed: above 1 it is wrong; infinite if a byte was written that should not
    // be.
    double worst_error() const;

  private:
    kv_storage make_storage(const side_shape & shape, std::vector<uint8_t> & data);

    ggml_context * tensors_;
    std::vector<memory> before_;
};

// Every type and layout to every other, plain, with rotations by position and Hadamard rotations, with linear maps, and
// with all of it; cells in order and with holes.
std::vector<case_shape> all_cases();

// A case of any sizes that the kernel takes.
case_shape random_case(uint32_t seed);

}  // namespace overfill::test
