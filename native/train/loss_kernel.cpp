#include "loss_kernel.h"

#include "vector_rows.h"

#include <algorithm>
#include <cmath>

namespace overfill {

namespace {

// A probability of zero would have an infinite logarithm. The gradient does not go through the logarithm and is exact.
constexpr float least_probability = 1e-37f;

// What the passes over a row have come to. The divergence is the sum of t * (log t - log s), where a logarithm is its
// logit at T less that of the sum.
void finish(const loss_row & row, const loss_sums & sums, float teacher_lead, float & cross_entropy,
            float & divergence) {
    const float p = std::exp(row.logits[row.target] - sums.student_most) / sums.sum;
    cross_entropy = -std::log(std::max(p, least_probability));
    if (!row.teacher) return;
    const float cooling = 1 / row.temperature;
    divergence = teacher_lead / sums.teacher_sum - (sums.teacher_most - sums.student_most) * cooling -
                 std::log(sums.teacher_sum) + std::log(sums.student_sum);
}

#if defined(__GNUC__)

template <int lanes>
OVERFILL_INLINE void sum_row(const loss_row & row, loss_sums & out, float & cross_entropy, float & divergence) {
    using vector = typename lanes_of<lanes>::type;
    vector x, y, most = vector{} - INFINITY, teacher_most = most;
    for (int64_t i = 0; i < row.n; i += lanes) {
        load<lanes>(row.logits + i, row.n - i, -INFINITY, x);
        keep_larger<lanes>(most, x);
        if (!row.teacher) continue;
        load<lanes>(row.teacher + i, row.n - i, -INFINITY, y);
        keep_larger<lanes>(teacher_most, y);
    }
    out.student_most = largest_of<lanes>(most);
    out.teacher_most = largest_of<lanes>(teacher_most);
    const float cooling = 1 / row.temperature;
    vector sum{}, student_sum{}, teacher_sum{}, lead{};
    for (int64_t i = 0; i < row.n; i += lanes) {
        load<lanes>(row.logits + i, row.n - i, -INFINITY, x);
        const vector below = x - out.student_most;
        vector e = below;
        exponentiate<lanes>(e);
        sum += e;
        if (!row.teacher) continue;
        e = below * cooling;
        exponentiate<lanes>(e);
        student_sum += e;
        // Filled up so that the difference is a number.
        load<lanes>(row.logits + i, row.n - i, 0, x);
        load<lanes>(row.teacher + i, row.n - i, -INFINITY, y);
        e = (y - out.teacher_most) * cooling;
        exponentiate<lanes>(e);
        teacher_sum += e;
        load<lanes>(row.teacher + i, row.n - i, 0, y);
        lead += e * (y - x);
    }
    out.sum = sum_of<lanes>(sum);
    out.student_sum = sum_of<lanes>(student_sum);
    out.teacher_sum = sum_of<lanes>(teacher_sum);
    finish(row, out, sum_of<lanes>(lead) * cooling, cross_entropy, divergence);
}

template <int lanes>
OVERFILL_INLINE void slope_row(const loss_row & row, const loss_sums & sums, float of_entropy, float of_divergence,
                               float * out) {
    using vector = typename lanes_of<lanes>::type;
    const float cooling = 1 / row.temperature, of_p = of_entropy / sums.sum;
    const float of_student = row.teacher ? of_divergence / sums.student_sum : 0;
    const float of_teacher = row.teacher ? of_divergence / sums.teacher_sum : 0;
    vector x, y;
    for (int64_t i = 0; i < row.n; i += lanes) {
        load<lanes>(row.logits + i, row.n - i, 0, x);
        x -= sums.student_most;
        vector e = x;
        exponentiate<lanes>(e);
        vector slope = e * of_p;
        if (row.teacher) {
            x *= cooling;
            exponentiate<lanes>(x);
            load<lanes>(row.teacher + i, row.n - i, 0, y);
            y = (y - sums.teacher_most) * cooling;
            exponentiate<lanes>(y);
            slope += x * of_student - y * of_teacher;
        }
        store<lanes>(slope, out + i, row.n - i);
    }
    out[row.target] -= of_entropy;
}

#else

template <int> void sum_row(const loss_row & row, loss_sums & out, float & cross_entropy, float & divergence) {
    out = { row.logits[0], row.teacher ? row.teacher[0] : 0, 0, 0, 0 };
    for (int64_t i = 0; i < row.n; i++) {
        out.student_most = std::max(out.student_most, row.logits[i]);
        if (row.teacher) out.teacher_most = std::max(out.teacher_most, row.teacher[i]);
    }
    float lead = 0;
    for (int64_t i = 0; i < row.n; i++) {
        const float below = row.logits[i] - out.student_most;
        out.sum += std::exp(below);
        if (!row.teacher) continue;
        out.student_sum += std::exp(below / row.temperature);
        const float e = std::exp((row.teacher[i] - out.teacher_most) / row.temperature);
        out.teacher_sum += e;
        lead += e * (row.teacher[i] - row.logits[i]) / row.temperature;
    }
    finish(row, out, lead, cross_entropy, divergence);
}

template <int>
void slope_row(const loss_row & row, const loss_sums & sums, float of_entropy, float of_divergence, float * out) {
    for (int64_t i = 0; i < row.n; i++) {
        const float below = row.logits[i] - sums.student_most;
        out[i] = of_entropy * std::exp(below) / sums.sum;
        if (row.teacher)
            out[i] +=
                of_divergence * (std::exp(below / row.temperature) / sums.student_sum -
                                 std::exp((row.teacher[i] - sums.teacher_most) / row.temperature) / sums.teacher_sum);
    }
    out[row.target] -= of_entropy;
}

#endif

template <int lanes>
OVERFILL_INLINE loss_sums sums_of(const loss_row & row, float & cross_entropy, float & divergence) {
    loss_sums out{};
    sum_row<lanes>(row, out, cross_entropy, divergence);
    return out;
}

#if defined(OVERFILL_X86_VARIANTS)
OVERFILL_AVX512 loss_sums sums_avx512(const loss_row & row, float & cross_entropy, float & divergence) {
    return sums_of<16>(row, cross_entropy, divergence);
}
OVERFILL_AVX512 void gradient_avx512(const loss_row & row, const loss_sums & sums, float of_entropy,
                                     float of_divergence, float * out) {
    slope_row<16>(row, sums, of_entropy, of_divergence, out);
}
OVERFILL_AVX2 loss_sums sums_avx2(const loss_row & row, float & cross_entropy, float & divergence) {
    return sums_of<8>(row, cross_entropy, divergence);
}
OVERFILL_AVX2 void gradient_avx2(const loss_row & row, const loss_sums & sums, float of_entropy, float of_divergence,
                                 float * out) {
    slope_row<8>(row, sums, of_entropy, of_divergence, out);
}
#endif
loss_sums sums_any(const loss_row & row, float & cross_entropy, float & divergence) {
    return sums_of<4>(row, cross_entropy, divergence);
}
void gradient_any(const loss_row & row, const loss_sums & sums, float of_entropy, float of_divergence, float * out) {
    slope_row<4>(row, sums, of_entropy, of_divergence, out);
}

}  // namespace

const std::vector<loss_kernel> & loss_kernels() {
    static const std::vector<loss_kernel> kernels = [] {
        std::vector<loss_kernel> all;
#if defined(OVERFILL_X86_VARIANTS)
        if (runs_avx512()) all.push_back({ "avx512", sums_avx512, gradient_avx512 });
        if (runs_avx2()) all.push_back({ "avx2", sums_avx2, gradient_avx2 });
#endif
        all.push_back({ "any", sums_any, gradient_any });
        return all;
    }();
    return kernels;
}

}  // namespace overfill
