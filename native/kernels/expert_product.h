// Products of a mixture of experts: each token with the weights of the experts that it was given to.
#pragma once

#include "leaf.h"
#include "weight_product.h"

#include <cstddef>
#include <cstdint>

namespace overfill::kernels {

// out[token][slot][row] = weights[ids[token][slot]][row] . x[token][slot], or x[token][0] where there is one for all
// slots. Strides are in bytes. What is given to no expert that there is comes to 0.
struct expert_product {
    weight_type type = weight_type::q8_0;
    const std::uint8_t * weights = nullptr;
    std::size_t row_stride = 0, expert_stride = 0;
    int rows = 0, elements = 0, experts = 0;
    int tokens = 0, slots = 0;
    const std::uint8_t * x = nullptr;
    int x_slots = 1;
    std::size_t x_slot_stride = 0, x_token_stride = 0;
    const std::uint8_t * ids = nullptr;  // of 32 bits
    std::size_t id_slot_stride = 0, id_token_stride = 0;
    std::uint8_t * out = nullptr;
    std::size_t out_slot_stride = 0, out_token_stride = 0;
};

std::size_t work_bytes(const leaf & by, const expert_product & product, int threads);

// As for one matrix: all members call with the same product and the same work_bytes of memory.
void multiply(const leaf & by, const expert_product & product, const team_member & member, void * work);

}  // namespace overfill::kernels
