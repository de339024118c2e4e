#include "metal_shim.h"

#include <memory>
#include <thread>
#include <vector>

// From here on the words of Metal's language. The names of the CPU's build stay apart from these.
#define __METAL_VERSION__ 300
#include <metal_stdlib>
#define overfill overfill_metal
#define device
#define constant
#define threadgroup
#define kernel
#define thread
#define OVERFILL_TILE_SLOT
#if defined(__GNUC__)
#pragma GCC diagnostic ignored "-Wattributes"
#pragma GCC diagnostic ignored "-Wunknown-pragmas"
#endif
#include "metal/translate.metal"
#undef kernel
#undef threadgroup
#undef constant
#undef device
#undef overfill
#undef thread

namespace metal_shim {

barrier & lanes() {
    static barrier all(overfill_metal::kernel_lanes);
    return all;
}

}  // namespace metal_shim

namespace overfill::test {

void run_metal_on_cpu(const void * steps, uint32_t n_steps, const void * moves, const float * angles,
                      const float * weights, bool with_maps, uint32_t n_groups) {
    std::vector<uint32_t> tile(overfill_metal::kernel_tile_words, 0x7fc00000u);
    const auto lane_body = [&](uint32_t lane) {
        const auto * s = static_cast<const overfill_metal::kernel_step *>(steps);
        const auto * m = static_cast<const overfill_metal::kernel_move *>(moves);
        for (uint32_t group = 0; group < n_groups; group++) {
            (with_maps ? overfill_translate_maps : overfill_translate)(s, n_steps, m, angles, weights, tile.data(),
                                                                       group, lane);
            // On a device every group has a tile of its own.
            metal_shim::lanes().wait();
        }
    };
    std::vector<std::thread> threads;
    for (uint32_t lane = 0; lane < overfill_metal::kernel_lanes; lane++) threads.emplace_back(lane_body, lane);
    for (std::thread & each : threads) each.join();
}

}  // namespace overfill::test
