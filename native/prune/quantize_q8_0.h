// q8_0 with the bytes that ggml_quantize_chunk gives, several times as fast: ggml rounds value by value with a library
// call, which keeps compilers from using vector instructions. Pruning to q8_0 would otherwise be bound by it.
#pragma once

#include <cstdint>

namespace overfill {

// `n`: a multiple of 32, of finite values. `out`: n / 32 blocks of 34 bytes.
void quantize_q8_0(const float * in, uint8_t * out, int64_t n);

}  // namespace overfill
