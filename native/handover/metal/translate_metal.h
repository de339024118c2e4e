// The Metal implementation of a translate handover: one fused launch for all layers. Built on Apple systems only.
// Source and target of every step must lie in shared buffers of ggml's Metal back end, which is where Apple silicon
// keeps caches; both contexts are synchronised before (by the caller), and the kernel has finished when run() returns.
// Needs Metal 3 (macOS 13). Not yet run on a Mac.
#pragma once

#include "translation.h"

#include <memory>

namespace overfill {

// Throws ERR_HANDOVER_UNAVAILABLE (no Metal 3, a cache elsewhere, a shape that the kernel does not do),
// ERR_OUT_OF_MEMORY.
std::unique_ptr<translate_implementation> make_metal_translate(const translation & plan);

}  // namespace overfill
