// Products of weights with activations for the tests of native/kernels: made up at random, computed by a team of
// threads, and compared bit for bit or with double precision.
#pragma once

#include "expert_product.h"
#include "leaf.h"
#include "weight_product.h"

#include <ggml.h>

#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <vector>

namespace overfill::test {

struct named_weight_type {
    kernels::weight_type type;
    ggml_type ggml;
};
extern const std::vector<named_weight_type> all_weight_types;

std::vector<float> some_floats(std::mt19937 & random, size_t count);

struct product_case {
    named_weight_type type;
    int rows, elements, columns;
    std::vector<std::uint8_t> weights;
    std::vector<float> x;
    size_t row_bytes() const { return ggml_row_size(type.ggml, elements); }
};

// Weights that were quantised from normal numbers, and such activations.
product_case make_product(std::mt19937 & random, named_weight_type type, int rows, int elements, int columns);

// Runs `work` in as many threads, which meet at a barrier.
void run_team(int size, const std::function<void(const kernels::team_member &)> & work);

std::vector<float> product_of(const kernels::leaf & by, const product_case & c, int threads = 1);
std::vector<float> product_of(const kernels::leaf & by, const product_case & c, int threads,
                              const std::uint8_t * weights);

// Those that have a way with the type; the last is the plain one.
std::vector<const kernels::leaf *> leaves_of(kernels::weight_type type);
const kernels::leaf & reference_leaf();

bool same_bits(const std::vector<float> & a, const std::vector<float> & b);
bool nearly_same(const std::vector<float> & a, const std::vector<float> & b);

// How far a product may be from that of double precision: the largest error of its activations' bytes, which is half a
// step, times what the row of weights makes of it.
double error_allowed(kernels::weight_type type, const std::vector<float> & row, const float * x);

// Memory whose end is the end of what may be read and written: one byte further ends the process.
class memory_to_its_end {
  public:
    explicit memory_to_its_end(size_t size);
    ~memory_to_its_end();
    memory_to_its_end(const memory_to_its_end &) = delete;
    memory_to_its_end & operator=(const memory_to_its_end &) = delete;
    std::uint8_t * begin() const { return begin_; }
    size_t size() const { return size_; }

  private:
    std::uint8_t * begin_ = nullptr;
    size_t size_, mapped_ = 0;
    void * memory_ = nullptr;
};

}  // namespace overfill::test
