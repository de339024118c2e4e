// The blocking is that of Goto and van de Geijn, "Anatomy of high-performance matrix multiplication" (2008): blocks of
// both operands are copied into panels, so that the innermost loop reads memory in order, whatever the operands' own
// order is; it keeps a tile of the result in registers.
#include "product_kernel.h"

#include <algorithm>
#include <cstring>
#include <new>

#if defined(__GNUC__)
#define OVERFILL_INLINE inline __attribute__((always_inline))
#else
#define OVERFILL_INLINE inline
#endif

#if defined(__x86_64__) && defined(__GNUC__)
#define OVERFILL_X86_VARIANTS
#endif

namespace overfill {

namespace {

// Values of k in a panel; rows of a and of b in a block. A panel of b stays in the first-level cache, a block of a in
// the second. block_b is a multiple of all tiles' columns.
constexpr int64_t block_k = product_depth, block_a = 256, block_b = 1032;

// Rows [first, first + n) at [k, k + depth), as panels of `width` rows: [panel][depth][width]. Missing rows are zero.
template <int width>
OVERFILL_INLINE void pack(const matrix & from, int64_t first, int64_t n, int64_t k, int64_t depth, float * to) {
    for (int64_t r = 0; r < n; r += width, to += width * depth) {
        const int64_t count = std::min<int64_t>(width, n - r);
        const float * base = from.data + (first + r) * from.row_stride + k * from.k_stride;
        if (count < width) std::memset(to, 0, sizeof(float) * (size_t) (width * depth));
        if (from.row_stride == 1) {
            for (int64_t j = 0; j < depth; j++)
                if (count == width)
                    std::memcpy(to + j * width, base + j * from.k_stride, width * sizeof(float));
                else
                    std::memcpy(to + j * width, base + j * from.k_stride, (size_t) count * sizeof(float));
            continue;
        }
        // Few values of k at a time: the panel's lines are then written while they are in the cache.
        constexpr int64_t step = 16;
        for (int64_t j = 0; j < depth; j += step) {
            const int64_t end = std::min(j + step, depth);
            for (int64_t i = 0; i < count; i++) {
                const float * row = base + i * from.row_stride;
                for (int64_t l = j; l < end; l++) to[l * width + i] = row[l * from.k_stride];
            }
        }
    }
}

#if defined(__GNUC__)
template <int lanes> struct lanes_of {
    typedef float type __attribute__((vector_size(lanes * sizeof(float)), aligned(4), may_alias));
};
#endif

// A tile of the result, n_vectors * lanes rows of a by `columns` rows of b, over `depth` values of k.
template <int lanes, int n_vectors, int columns>
OVERFILL_INLINE void multiply_tile(const float * a, const float * b, int64_t depth, float * out, int64_t stride,
                                   bool add) {
#if defined(__GNUC__)
    using vector = typename lanes_of<lanes>::type;
    vector sums[columns][n_vectors] = {};
    for (int64_t k = 0; k < depth; k++, a += lanes * n_vectors, b += columns) {
        vector values[n_vectors];
        for (int v = 0; v < n_vectors; v++) values[v] = *reinterpret_cast<const vector *>(a + v * lanes);
        for (int c = 0; c < columns; c++)
            for (int v = 0; v < n_vectors; v++) sums[c][v] += values[v] * b[c];
    }
    for (int c = 0; c < columns; c++)
        for (int v = 0; v < n_vectors; v++) {
            vector * to = reinterpret_cast<vector *>(out + c * stride + v * lanes);
            *to = add ? *to + sums[c][v] : sums[c][v];
        }
#else
    float sums[columns][lanes * n_vectors] = {};
    for (int64_t k = 0; k < depth; k++, a += lanes * n_vectors, b += columns)
        for (int c = 0; c < columns; c++)
            for (int i = 0; i < lanes * n_vectors; i++) sums[c][i] += a[i] * b[c];
    for (int c = 0; c < columns; c++)
        for (int i = 0; i < lanes * n_vectors; i++)
            out[c * stride + i] = add ? out[c * stride + i] + sums[c][i] : sums[c][i];
#endif
}

// Null where there is no memory.
float * thread_panels(size_t n) noexcept {
    static thread_local std::vector<float> panels;
    try {
        panels.resize(n);
        return panels.data();
    } catch (const std::bad_alloc &) {
        return nullptr;
    }
}

template <int lanes, int n_vectors, int columns> OVERFILL_INLINE void multiply(const product_part & p) {
    constexpr int64_t width = lanes * n_vectors;
    // ggml, which calls this, lets no exception through. Without memory blocks are a tile each, more slowly, with the
    // same sums: their order is that of k alone.
    float little[block_k * 2 * (width + columns)];
    float * const large = thread_panels((size_t) (block_k * (block_a + width + block_b + columns)));
    const int64_t step_a = large ? block_a : width, step_b = large ? block_b : columns;
    float * panel_a = large ? large : little;
    float * panel_b = panel_a + block_k * (step_a + width);
    float edge[width * columns];
    for (int64_t jb = p.b_begin; jb < p.b_end; jb += step_b) {
        const int64_t n_b = std::min(step_b, p.b_end - jb);
        for (int64_t k = 0; k < p.n_k; k += block_k) {
            const int64_t depth = std::min(block_k, p.n_k - k);
            const bool adds = p.adds || k > 0;
            pack<columns>(p.b, jb, n_b, k, depth, panel_b);
            for (int64_t ib = p.a_begin; ib < p.a_end; ib += step_a) {
                const int64_t n_a = std::min(step_a, p.a_end - ib);
                pack<(int) width>(p.a, ib, n_a, k, depth, panel_a);
                for (int64_t j = 0; j < n_b; j += columns)
                    for (int64_t i = 0; i < n_a; i += width) {
                        const float *a = panel_a + i * depth, *b = panel_b + j * depth;
                        float * out = p.out + (jb + j) * p.out_stride + ib + i;
                        const int64_t rows = std::min(width, n_a - i), cols = std::min<int64_t>(columns, n_b - j);
                        if (rows == width && cols == columns) {
                            multiply_tile<lanes, n_vectors, columns>(a, b, depth, out, p.out_stride, adds);
                            continue;
                        }
                        // At the result's edges the whole tile is made beside it.
                        multiply_tile<lanes, n_vectors, columns>(a, b, depth, edge, width, false);
                        for (int64_t c = 0; c < cols; c++)
                            for (int64_t r = 0; r < rows; r++) {
                                float & to = out[c * p.out_stride + r];
                                to = adds ? to + edge[c * width + r] : edge[c * width + r];
                            }
                    }
            }
        }
    }
}

// The tiles fill the registers of each instruction set: 32 of 16 lanes, 16 of 8 lanes, or of 4 lanes.
#if defined(OVERFILL_X86_VARIANTS)
__attribute__((target("avx512f,avx512vl,fma"))) void multiply_avx512(const product_part & p) { multiply<16, 2, 12>(p); }
__attribute__((target("avx2,fma"))) void multiply_avx2(const product_part & p) { multiply<8, 2, 6>(p); }
#endif
#if defined(__aarch64__)
void multiply_any(const product_part & p) { multiply<4, 4, 6>(p); }
#else
void multiply_any(const product_part & p) { multiply<4, 2, 6>(p); }
#endif

}  // namespace

const std::vector<product_kernel> & product_kernels() {
    static const std::vector<product_kernel> kernels = [] {
        std::vector<product_kernel> all;
#if defined(OVERFILL_X86_VARIANTS)
        __builtin_cpu_init();
        if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl"))
            all.push_back({ "avx512", multiply_avx512 });
        if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) all.push_back({ "avx2", multiply_avx2 });
#endif
        all.push_back({ "any", multiply_any });
        return all;
    }();
    return kernels;
}

}  // namespace overfill
