#include "transpose_rows.h"

#include <algorithm>
#include <cstdint>

namespace overfill {

// A tile's rows and columns both stay in the first-level cache.
static constexpr int64_t tile = 16;

static void transpose_plane(const char * from, size_t from_stride, float * to, int64_t n_rows, int64_t first,
                            int64_t last) {
    for (int64_t c = first; c < last; c += tile)
        for (int64_t r = 0; r < n_rows; r += tile) {
            const int64_t c_end = std::min(c + tile, last), r_end = std::min(r + tile, n_rows);
            if (c_end - c == tile && r_end - r == tile) {
                // Read first, then written, so that the compiler may keep the tile in registers.
                float block[tile][tile];
                for (int64_t i = 0; i < tile; i++) {
                    const float * row = reinterpret_cast<const float *>(from + (size_t) (r + i) * from_stride) + c;
                    for (int64_t j = 0; j < tile; j++) block[j][i] = row[j];
                }
                for (int64_t j = 0; j < tile; j++) {
                    float * row = to + (c + j) * n_rows + r;
                    for (int64_t i = 0; i < tile; i++) row[i] = block[j][i];
                }
                continue;
            }
            for (int64_t j = c; j < c_end; j++)
                for (int64_t i = r; i < r_end; i++)
                    to[j * n_rows + i] = reinterpret_cast<const float *>(from + (size_t) i * from_stride)[j];
        }
}

static void transpose_node(ggml_tensor * node, int thread, int n_threads, void *) {
    const ggml_tensor * x = node->src[0];
    const int64_t n_columns = x->ne[0], n_rows = x->ne[1];
    // Tiles of columns are dealt out over all planes, so that one large matrix and many small ones both divide well.
    const int64_t n_strips = (n_columns + tile - 1) / tile, n_planes = x->ne[2] * x->ne[3];
    const int64_t begin = n_strips * n_planes * thread / n_threads,
                  end = n_strips * n_planes * (thread + 1) / n_threads;
    for (int64_t at = begin; at < end;) {
        const int64_t plane = at / n_strips, n = std::min(end - at, n_strips - at % n_strips);
        const int64_t i2 = plane % x->ne[2], i3 = plane / x->ne[2];
        const int64_t first = at % n_strips * tile;
        transpose_plane(static_cast<const char *>(x->data) + i2 * (int64_t) x->nb[2] + i3 * (int64_t) x->nb[3],
                        x->nb[1],
                        reinterpret_cast<float *>(static_cast<char *>(node->data) + i2 * (int64_t) node->nb[2] +
                                                  i3 * (int64_t) node->nb[3]),
                        n_rows, first, std::min(first + n * tile, n_columns));
        at += n;
    }
}

ggml_tensor * transpose_on_cpu(ggml_context * ctx, ggml_tensor * x) {
    return ggml_custom_4d(ctx, GGML_TYPE_F32, x->ne[1], x->ne[0], x->ne[2], x->ne[3], &x, 1, transpose_node,
                          GGML_N_TASKS_MAX, nullptr);
}

}  // namespace overfill
