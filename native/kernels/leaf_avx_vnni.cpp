// AVX-VNNI: products of bytes in vectors of 256 bits, on processors without AVX-512.
#include "leaves.h"
#include "vectors_256.h"

namespace overfill::kernels {
namespace {

struct avx_vnni_dot {
    static __m256i add(__m256i sum, __m256i w, __m256i x) { return _mm256_dpbusd_avx_epi32(sum, w, x); }
};

}  // namespace

const leaf & avx_vnni_leaf() {
    static const leaf made = [] {
        leaf all = leaf_of<vectors_256<avx_vnni_dot>>("avx-vnni");
        all.halves_to_q8_0 = half_rows_to_q8_0_avx2;
        return all;
    }();
    return made;
}

}  // namespace overfill::kernels
