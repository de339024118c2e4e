// Caches without models: random K or V in any type and layout, for tests of the translate implementations.
#pragma once

#include "translation.h"

#include <ggml-backend.h>
#include <ggml-cpp.h>

#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace overfill::test {

struct storage_shape {
    ggml_type type = GGML_TYPE_F16;
    uint32_t n_head = 2;
    uint32_t head_size = 64;
    uint32_t n_cells = 64;
    uint32_t n_stream = 1;
    uint32_t hadamard = 0;
    bool transposed = false;
};

// Tensors of the caches of one side, in one buffer of the given kind (host memory if null).
class cache_memory {
  public:
    explicit cache_memory(ggml_backend_buffer_type_t buffer_type = nullptr);
    kv_storage add(const storage_shape & shape, size_t cache = 0);
    // After all were added.
    void allocate();
    // Random values of about unit size, which the type can hold.
    void fill(const kv_storage & storage, uint32_t seed);
    // The bytes of one stream, wherever they are.
    static std::vector<uint8_t> stream_of(const kv_storage & storage, uint32_t stream);
    static std::vector<uint8_t> all_of(const kv_storage & storage);

  private:
    ggml_backend_buffer_type_t buffer_type_;
    ggml_context_ptr ctx_;
    ggml_backend_buffer_ptr buffer_;
};

std::shared_ptr<const linear_map> random_map(uint32_t n_in, uint32_t n_out, bool with_bias, uint32_t seed);

// Moves of n tokens: their cells in random order on both sides, with holes between them, positions growing.
std::vector<cell_move> scattered_moves(uint32_t n, uint32_t n_cells_from, uint32_t n_cells_to, uint32_t seed);
std::vector<cell_move> plain_moves(uint32_t n, uint32_t from = 0, uint32_t to = 0, llama_pos position = 0);

// Checks every moved cell of the step against the reference and that no other cell of the target changed. `before` is
// all_of(step.to) before the run. What may differ follows from the target's type and from float arithmetic; ggml
// reckons the angle of a position in float too, so that it errs by a few units in the last place of the angle itself.
// A device's mul_mat may round what it multiplies to f16 (`half_products`): a sum of products then errs by 2^-11 of its
// magnitudes.
void check_step(const translate_step & step, const translate_job & job, const std::vector<uint8_t> & before,
                const std::string & what, bool half_products = false);

}  // namespace overfill::test
