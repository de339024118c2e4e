// arm64 with the products of bytes that came with i8mm: unsigned with signed ones.
#include "leaves.h"
#include "vectors_128.h"

namespace overfill::kernels {
namespace {

struct i8mm_dot {
    static int32x4_t add(int32x4_t sum, uint8x16_t w, int8x16_t x) { return vusdotq_s32(sum, w, x); }
};

}  // namespace

const leaf & arm_i8mm_leaf() {
    static const leaf made = leaf_of<vectors_128<i8mm_dot>>("arm-i8mm");
    return made;
}

}  // namespace overfill::kernels
