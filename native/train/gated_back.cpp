#include "gated_back.h"

#include "vector_rows.h"

#include <algorithm>
#include <cmath>

namespace overfill {

namespace {

// GELU is x (1 + tanh u) / 2 with u = c (x + a x^3).
constexpr float gelu_a = 0.044715f, gelu_c = 0.79788456080286535588f;

#if defined(__GNUC__)

// 1 / (1 + exp(-x)), from the exponential of a number below 0 whatever x is.
template <int lanes> OVERFILL_INLINE void to_sigmoid(typename lanes_of<lanes>::type & x) {
    using vector = typename lanes_of<lanes>::type;
    using bits = typename lanes_of<lanes>::bits;
    const bits negative = (bits) (x < 0.0f);
    vector e = (vector) ((bits) x | INT32_MIN), numerator = vector{} + 1.0f;  // -|x|
    exponentiate<lanes>(e);
    numerator = (vector) (((bits) e & negative) | ((bits) numerator & ~negative));
    x = numerator / (e + 1.0f);
}

template <int lanes> OVERFILL_INLINE void silu_up(const float * gate, const float * d, int64_t n, float * out) {
    typename lanes_of<lanes>::type x, s, slope;
    for (int64_t i = 0; i < n; i += lanes) {
        load<lanes>(gate + i, n - i, 0, x);
        load<lanes>(d + i, n - i, 0, slope);
        s = x;
        to_sigmoid<lanes>(s);
        slope = x * s * slope;
        store<lanes>(slope, out + i, n - i);
    }
}

// The derivative is s (1 + x (1 - s)).
template <int lanes>
OVERFILL_INLINE void silu_gate(const float * gate, const float * up, const float * d, int64_t n, float * out) {
    typename lanes_of<lanes>::type x, y, s, slope;
    for (int64_t i = 0; i < n; i += lanes) {
        load<lanes>(gate + i, n - i, 0, x);
        load<lanes>(up + i, n - i, 0, y);
        load<lanes>(d + i, n - i, 0, slope);
        s = x;
        to_sigmoid<lanes>(s);
        slope = slope * y * s * (x * (1.0f - s) + 1.0f);
        store<lanes>(slope, out + i, n - i);
    }
}

// (1 + tanh u) / 2 is the sigmoid s of 2 u, so that the derivative is s + 2 x s (1 - s) u'.
template <int lanes>
OVERFILL_INLINE void gelu_gate(const float * gate, const float * up, const float * d, int64_t n, float * out) {
    typename lanes_of<lanes>::type x, y, s, slope;
    for (int64_t i = 0; i < n; i += lanes) {
        load<lanes>(gate + i, n - i, 0, x);
        load<lanes>(up + i, n - i, 0, y);
        load<lanes>(d + i, n - i, 0, slope);
        s = x * (x * x * gelu_a + 1.0f) * (2 * gelu_c);
        to_sigmoid<lanes>(s);
        slope = slope * y * (s + x * s * (1.0f - s) * (x * x * (3 * gelu_a) + 1.0f) * (2 * gelu_c));
        store<lanes>(slope, out + i, n - i);
    }
}

#else

inline float sigmoid(float x) { return 1 / (1 + std::exp(-x)); }

template <int> void silu_up(const float * gate, const float * d, int64_t n, float * out) {
    for (int64_t i = 0; i < n; i++) out[i] = gate[i] * sigmoid(gate[i]) * d[i];
}
template <int> void silu_gate(const float * gate, const float * up, const float * d, int64_t n, float * out) {
    for (int64_t i = 0; i < n; i++) {
        const float x = gate[i], s = sigmoid(x);
        out[i] = d[i] * up[i] * s * (1 + x * (1 - s));
    }
}
template <int> void gelu_gate(const float * gate, const float * up, const float * d, int64_t n, float * out) {
    for (int64_t i = 0; i < n; i++) {
        const float x = gate[i], s = sigmoid(2 * gelu_c * x * (1 + gelu_a * x * x));
        out[i] = d[i] * up[i] * (s + x * s * (1 - s) * 2 * gelu_c * (1 + 3 * gelu_a * x * x));
    }
}

#endif

#if defined(OVERFILL_X86_VARIANTS)
OVERFILL_AVX512 void silu_up_avx512(const float * gate, const float * d, int64_t n, float * out) {
    silu_up<16>(gate, d, n, out);
}
OVERFILL_AVX512 void silu_gate_avx512(const float * gate, const float * up, const float * d, int64_t n, float * out) {
    silu_gate<16>(gate, up, d, n, out);
}
OVERFILL_AVX512 void gelu_gate_avx512(const float * gate, const float * up, const float * d, int64_t n, float * out) {
    gelu_gate<16>(gate, up, d, n, out);
}
OVERFILL_AVX2 void silu_up_avx2(const float * gate, const float * d, int64_t n, float * out) {
    silu_up<8>(gate, d, n, out);
}
OVERFILL_AVX2 void silu_gate_avx2(const float * gate, const float * up, const float * d, int64_t n, float * out) {
    silu_gate<8>(gate, up, d, n, out);
}
OVERFILL_AVX2 void gelu_gate_avx2(const float * gate, const float * up, const float * d, int64_t n, float * out) {
    gelu_gate<8>(gate, up, d, n, out);
}
#endif
void silu_up_any(const float * gate, const float * d, int64_t n, float * out) { silu_up<4>(gate, d, n, out); }
void silu_gate_any(const float * gate, const float * up, const float * d, int64_t n, float * out) {
    silu_gate<4>(gate, up, d, n, out);
}
void gelu_gate_any(const float * gate, const float * up, const float * d, int64_t n, float * out) {
    gelu_gate<4>(gate, up, d, n, out);
}

// Calls back with a thread's share of n values, in whole vectors.
template <class Work> void share(int64_t n, int thread, int n_threads, const Work & work) {
    constexpr int64_t unit = 64;
    const int64_t units = (n + unit - 1) / unit;
    const int64_t begin = std::min(n, units * thread / n_threads * unit);
    const int64_t end = std::min(n, units * (thread + 1) / n_threads * unit);
    if (begin < end) work(begin, end - begin);
}

const float * data_of(const ggml_tensor * x) { return static_cast<const float *>(x->data); }

void silu_up_node(ggml_tensor * node, int thread, int n_threads, void *) {
    share(ggml_nelements(node), thread, n_threads, [&](int64_t at, int64_t n) {
        gated_kernels().front().silu_up(data_of(node->src[0]) + at, data_of(node->src[1]) + at, n,
                                        static_cast<float *>(node->data) + at);
    });
}

template <bool is_silu> void gate_node(ggml_tensor * node, int thread, int n_threads, void *) {
    const gated_kernel & kernel = gated_kernels().front();
    share(ggml_nelements(node), thread, n_threads, [&](int64_t at, int64_t n) {
        (is_silu ? kernel.silu_gate : kernel.gelu_gate)(data_of(node->src[0]) + at, data_of(node->src[1]) + at,
                                                        data_of(node->src[2]) + at, n,
                                                        static_cast<float *>(node->data) + at);
    });
}

ggml_tensor * node_of(ggml_context * ctx, std::vector<ggml_tensor *> sources, ggml_custom_op_t run) {
    const int64_t * ne = sources[0]->ne;
    for (ggml_tensor *& source : sources)
        if (!ggml_is_contiguous(source)) source = ggml_cont(ctx, source);
    return ggml_custom_4d(ctx, GGML_TYPE_F32, ne[0], ne[1], ne[2], ne[3], sources.data(), (int) sources.size(), run,
                          GGML_N_TASKS_MAX, nullptr);
}

}  // namespace

const std::vector<gated_kernel> & gated_kernels() {
    static const std::vector<gated_kernel> kernels = [] {
        std::vector<gated_kernel> all;
#if defined(OVERFILL_X86_VARIANTS)
        if (runs_avx512()) all.push_back({ "avx512", silu_up_avx512, silu_gate_avx512, gelu_gate_avx512 });
        if (runs_avx2()) all.push_back({ "avx2", silu_up_avx2, silu_gate_avx2, gelu_gate_avx2 });
#endif
        all.push_back({ "any", silu_up_any, silu_gate_any, gelu_gate_any });
        return all;
    }();
    return kernels;
}

ggml_tensor * silu_up_back(ggml_context * ctx, ggml_tensor * gate, ggml_tensor * d) {
    return node_of(ctx, { gate, d }, silu_up_node);
}

ggml_tensor * gate_back(ggml_context * ctx, ggml_tensor * gate, ggml_tensor * up, ggml_tensor * d,
                        ffn_activation activation) {
    return node_of(ctx, { gate, up, d }, activation == ffn_activation::silu ? gate_node<true> : gate_node<false>);
}

}  // namespace overfill
