#include "quantize_q8_0.h"

#include <ggml.h>

#include <algorithm>
#include <cmath>
#include <cstring>

namespace overfill {

static constexpr int block = 32;

void quantize_q8_0(const float * in, uint8_t * out, int64_t n) {
    for (int64_t i = 0; i < n; i += block, in += block, out += sizeof(ggml_fp16_t) + block) {
        // Eight maxima side by side: one alone has to be taken in order.
        float maxima[8] = {};
        for (int j = 0; j < block; j += 8)
            for (int k = 0; k < 8; k++) {
                const float size = std::fabs(in[j + k]);
                maxima[k] = maxima[k] < size ? size : maxima[k];
            }
        const float largest = *std::max_element(maxima, maxima + 8);
        const float d = largest / 127;
        const float inverse = d != 0 ? 1 / d : 0;
        const ggml_fp16_t half = ggml_fp32_to_fp16(d);
        std::memcpy(out, &half, sizeof half);

        // Rounding half away from zero: adding the largest float below one half and cutting off is roundf, for every
        // value of this size. Adding one half itself would round 0.49999997 up.
        int8_t values[block];
        for (int j = 0; j < block; j++) {
            const float value = in[j] * inverse;
            values[j] = (int8_t) (int32_t) (value + std::copysign(0.49999997f, value));
        }
        std::memcpy(out + sizeof half, values, block);
    }
}

}  // namespace overfill
