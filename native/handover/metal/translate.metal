// The fused translate kernel for Metal: entry points around the shared body. translate_metal.mm compiles it at run time
// from one text, in which cmake/metal.cmake has put the headers in place of their includes. The tables hold Metal 3's
// GPU addresses. Executed here on the CPU (test_kernel_metal.cpp); not yet run on a Mac.
#include "kernel/translate_kernel.h"

// The shim of the tests makes the word threadgroup empty and this with it.
#ifndef OVERFILL_TILE_SLOT
#define OVERFILL_TILE_SLOT [[threadgroup(0)]]
#endif

using namespace overfill;

// `tile` has kernel_tile_words words.
kernel void
overfill_translate(device const kernel_step * steps [[buffer(0)]], constant uint32_t & n_steps [[buffer(1)]],
                   device const kernel_move * moves [[buffer(2)]], device const float * angles [[buffer(3)]],
                   device const float * weights [[buffer(4)]], threadgroup uint32_t * tile OVERFILL_TILE_SLOT,
                   uint32_t group [[threadgroup_position_in_grid]], uint32_t lane [[thread_index_in_threadgroup]]) {
    translate_group<false>(steps, n_steps, moves, angles, weights, tile, group, lane);
}

kernel void
overfill_translate_maps(device const kernel_step * steps [[buffer(0)]], constant uint32_t & n_steps [[buffer(1)]],
                        device const kernel_move * moves [[buffer(2)]], device const float * angles [[buffer(3)]],
                        device const float * weights [[buffer(4)]], threadgroup uint32_t * tile OVERFILL_TILE_SLOT,
                        uint32_t group [[threadgroup_position_in_grid]],
                        uint32_t lane [[thread_index_in_threadgroup]]) {
    translate_group<true>(steps, n_steps, moves, angles, weights, tile, group, lane);
}
