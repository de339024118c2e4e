// The blocking is that of Goto and van de Geijn, "Anatomy of high-performance matrix multiplication" (2008): blocks of
// both operands are copied into panels, so that the innermost loop reads memory in order, whatever the operands' own
// order is; it keeps a tile of the result in registers.
#include "product_kernel.h"

#include "vector_lanes.h"

#include <algorithm>
#include <cstring>
#include <new>

namespace overfill {

namespace {

// Values of k in a panel; rows of a and of b in a block. A panel of b stays in the first-level cache, a block of a in
// the second. block_b is a multiple of all tiles' columns.
constexpr int64_t block_k = product_depth, block_a = 256, block_b = 1032;

#if defined(__GNUC__)
typedef float quad __attribute__((vector_size(16), aligned(4), may_alias));
typedef int quad_places __attribute__((vector_size(16)));

// Values of both, a's by the places 0 to 3 and b's by 4 to 7.
#if defined(__clang__)
#define OVERFILL_PICK(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define OVERFILL_PICK(a, b, ...) __builtin_shuffle(a, b, quad_places{ __VA_ARGS__ })
#endif

// Four values of each of four rows, to four rows of one value of each.
OVERFILL_INLINE void transpose_four(const float * from, int64_t from_stride, float * to, int64_t to_stride) {
    const auto row = [&](int64_t i) { return *reinterpret_cast<const quad *>(from + i * from_stride); };
    const auto put = [&](int64_t i, const quad & values) { *reinterpret_cast<quad *>(to + i * to_stride) = values; };
    const quad a = row(0), b = row(1), c = row(2), d = row(3);
    const quad ab = OVERFILL_PICK(a, b, 0, 4, 1, 5), cd = OVERFILL_PICK(c, d, 0, 4, 1, 5);
    const quad ab_high = OVERFILL_PICK(a, b, 2, 6, 3, 7), cd_high = OVERFILL_PICK(c, d, 2, 6, 3, 7);
    put(0, OVERFILL_PICK(ab, cd, 0, 1, 4, 5));
    put(1, OVERFILL_PICK(ab, cd, 2, 3, 6, 7));
    put(2, OVERFILL_PICK(ab_high, cd_high, 0, 1, 4, 5));
    put(3, OVERFILL_PICK(ab_high, cd_high, 2, 3, 6, 7));
}
#endif

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
            int64_t i = 0;
#if defined(__GNUC__)
            if (end - j == step && from.k_stride == 1)
                for (; i + 4 <= count; i += 4)
                    for (int64_t l = j; l < end; l += 4)
                        transpose_four(base + i * from.row_stride + l, from.row_stride, to + l * width + i, width);
#endif
            for (; i < count; i++) {
                const float * row = base + i * from.row_stride;
                for (int64_t l = j; l < end; l++) to[l * width + i] = row[l * from.k_stride];
            }
        }
    }
}

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
OVERFILL_AVX512 void multiply_avx512(const product_part & p) { multiply<16, 2, 12>(p); }
OVERFILL_AVX2 void multiply_avx2(const product_part & p) { multiply<8, 2, 6>(p); }
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
        if (runs_avx512()) all.push_back({ "avx512", multiply_avx512 });
        if (runs_avx2()) all.push_back({ "avx2", multiply_avx2 });
#endif
        all.push_back({ "any", multiply_any });
        return all;
    }();
    return kernels;
}

}  // namespace overfill
