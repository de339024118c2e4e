#include "softmax_kernel.h"

#include "vector_rows.h"

#include <algorithm>
#include <cmath>

namespace overfill {

namespace {

#if defined(__GNUC__)

template <int lanes> OVERFILL_INLINE void forward(float * p, const float * mask, float factor, int64_t n) {
    using vector = typename lanes_of<lanes>::type;
    vector most = vector{} - INFINITY, x, hidden, sums{};
    for (int64_t i = 0; i < n; i += lanes) {
        load<lanes>(p + i, n - i, 0, x);
        load<lanes>(mask + i, n - i, -INFINITY, hidden);
        x = x * factor + hidden;
        store<lanes>(x, p + i, n - i);
        keep_larger<lanes>(most, x);
    }
    const float largest = largest_of<lanes>(most);
    for (int64_t i = 0; i < n; i += lanes) {
        load<lanes>(p + i, n - i, -INFINITY, x);
        x -= largest;
        exponentiate<lanes>(x);
        store<lanes>(x, p + i, n - i);
        sums += x;
    }
    const float part = 1 / sum_of<lanes>(sums);
    for (int64_t i = 0; i < n; i += lanes) {
        load<lanes>(p + i, n - i, 0, x);
        x *= part;
        store<lanes>(x, p + i, n - i);
    }
}

template <int lanes> OVERFILL_INLINE void backward(const float * p, float * d, float factor, int64_t n) {
    using vector = typename lanes_of<lanes>::type;
    vector weight, slope, sums{};
    for (int64_t i = 0; i < n; i += lanes) {
        load<lanes>(p + i, n - i, 0, weight);
        load<lanes>(d + i, n - i, 0, slope);
        sums += weight * slope;
    }
    const float sum = sum_of<lanes>(sums);
    for (int64_t i = 0; i < n; i += lanes) {
        load<lanes>(p + i, n - i, 0, weight);
        load<lanes>(d + i, n - i, 0, slope);
        slope = (slope - sum) * weight * factor;
        store<lanes>(slope, d + i, n - i);
    }
}

#else

template <int> void forward(float * p, const float * mask, float factor, int64_t n) {
    float largest = -INFINITY, sum = 0;
    for (int64_t i = 0; i < n; i++) {
        p[i] = p[i] * factor + mask[i];
        largest = std::max(largest, p[i]);
    }
    for (int64_t i = 0; i < n; i++) sum += p[i] = std::exp(p[i] - largest);
    for (int64_t i = 0; i < n; i++) p[i] /= sum;
}

template <int> void backward(const float * p, float * d, float factor, int64_t n) {
    float sum = 0;
    for (int64_t i = 0; i < n; i++) sum += p[i] * d[i];
    for (int64_t i = 0; i < n; i++) d[i] = factor * p[i] * (d[i] - sum);
}

#endif

#if defined(OVERFILL_X86_VARIANTS)
OVERFILL_AVX512 void forward_avx512(float * p, const float * mask, float factor, int64_t n) {
    forward<16>(p, mask, factor, n);
}
OVERFILL_AVX512 void backward_avx512(const float * p, float * d, float factor, int64_t n) {
    backward<16>(p, d, factor, n);
}
OVERFILL_AVX2 void forward_avx2(float * p, const float * mask, float factor, int64_t n) {
    forward<8>(p, mask, factor, n);
}
OVERFILL_AVX2 void backward_avx2(const float * p, float * d, float factor, int64_t n) { backward<8>(p, d, factor, n); }
#endif
void forward_any(float * p, const float * mask, float factor, int64_t n) { forward<4>(p, mask, factor, n); }
void backward_any(const float * p, float * d, float factor, int64_t n) { backward<4>(p, d, factor, n); }

}  // namespace

const std::vector<softmax_kernel> & softmax_kernels() {
    static const std::vector<softmax_kernel> kernels = [] {
        std::vector<softmax_kernel> all;
#if defined(OVERFILL_X86_VARIANTS)
        if (runs_avx512()) all.push_back({ "avx512", forward_avx512, backward_avx512 });
        if (runs_avx2()) all.push_back({ "avx2", forward_avx2, backward_avx2 });
#endif
        all.push_back({ "any", forward_any, backward_any });
        return all;
    }();
    return kernels;
}

}  // namespace overfill
