// AVX2 without VNNI, on any x86 processor since about 2013.
#include "leaves.h"
#include "vectors_256.h"

namespace overfill::kernels {
namespace {

struct avx2_dot {
    // vpmaddubsw adds pairs of products in 16 bits, where two of 255 * 127 have no room. The low seven bits and the
    // eighth have, each by itself.
    static __m256i add(__m256i sum, __m256i w, __m256i x) {
        const __m256i ones = _mm256_set1_epi16(1);
        const __m256i top = _mm256_set1_epi8(char(0x80));
        const __m256i low = _mm256_maddubs_epi16(_mm256_andnot_si256(top, w), x);
        const __m256i high = _mm256_maddubs_epi16(_mm256_and_si256(top, w), x);
        const __m256i both = _mm256_add_epi32(_mm256_madd_epi16(low, ones), _mm256_madd_epi16(high, ones));
        return _mm256_add_epi32(sum, both);
    }
};

}  // namespace

const leaf & avx2_leaf() {
    static const leaf made = [] {
        leaf all = leaf_of<vectors_256<avx2_dot>>("avx2");
        all.halves_to_q8_0 = half_rows_to_q8_0_avx2;
        return all;
    }();
    return made;
}

}  // namespace overfill::kernels
