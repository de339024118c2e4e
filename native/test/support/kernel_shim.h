// Runs the device kernel on the CPU: groups one after the other, and within a group the lanes of every phase one after
// the other (kernel_platform.h). What a group leaves in its shared memory and registers is poisoned for the next, as on
// a device nothing is known of it.
#pragma once

#include "kernel/kernel_plan.h"
#include "kernel/translate_kernel.h"

#include <limits>
#include <vector>

namespace overfill::test {

inline void run_kernel_on_cpu(kernel_plan & plan, const translate_job & job) {
    plan.prepare(job);
    const kernel_step * steps = plan.steps().data();
    const uint32_t n_steps = (uint32_t) plan.steps().size();
    const float * weights = plan.weights().data();
    for (uint32_t group = 0; group < plan.n_groups(); group++) {
        // Of exactly the kernel's size, so that an address sanitizer sees a step beyond.
        std::vector<uint32_t> tile(kernel_tile_words, bits_of(std::numeric_limits<float>::quiet_NaN()));
        if (plan.has_maps())
            translate_group<true>(steps, n_steps, plan.moves().data(), plan.angles().data(), weights, tile.data(),
                                  group);
        else
            translate_group<false>(steps, n_steps, plan.moves().data(), plan.angles().data(), weights, tile.data(),
                                   group);
    }
}

}  // namespace overfill::test
