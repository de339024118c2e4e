// arm64 with products of signed bytes only (dotprod), on processors since about 2018.
#include "leaves.h"
#include "vectors_128.h"

namespace overfill::kernels {
namespace {

struct dotprod_dot {
    // Weights of 0 to 255 are 128 more than the signed bytes that they are with their top bit turned. 128 times the sum
    // of x is the same for all rows, so the compiler makes it once for each column.
    static int32x4_t add(int32x4_t sum, uint8x16_t w, int8x16_t x) {
        const int8x16_t lowered = vreinterpretq_s8_u8(veorq_u8(w, vdupq_n_u8(0x80)));
        const int32x4_t half_of_rest = vdotq_s32(vdupq_n_s32(0), x, vdupq_n_s8(64));
        return vdotq_s32(vaddq_s32(sum, vshlq_n_s32(half_of_rest, 1)), lowered, x);
    }
};

}  // namespace

const leaf & arm_dotprod_leaf() {
    static const leaf made = leaf_of<vectors_128<dotprod_dot>>("arm-dotprod");
    return made;
}

}  // namespace overfill::kernels
