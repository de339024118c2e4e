// Executes native/handover/metal/translate.metal on the CPU: compiled as C++ against a small stand-in for Metal's
// library (metal_shim/metal_stdlib), one thread a lane, with real barriers. What the loop-over-lanes shim
// (kernel_shim.h) cannot see, this does: a missing barrier, or a value that one lane keeps for another.
#pragma once

#include <cstdint>

namespace overfill::test {

// The tables are those of kernel_plan.
void run_metal_on_cpu(const void * steps, uint32_t n_steps, const void * moves, const float * angles,
                      const float * weights, bool with_maps, uint32_t n_groups);

}  // namespace overfill::test
