#include "matrix_product.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <new>
#include <vector>

namespace overfill {

matrix plane_of(const ggml_tensor * x, operand_order order, int64_t plane) {
    const int64_t i2 = plane % x->ne[2], i3 = plane / x->ne[2], row = (int64_t) (x->nb[1] / sizeof(float));
    const char * data = static_cast<const char *>(x->data) + i2 * (int64_t) x->nb[2] + i3 * (int64_t) x->nb[3];
    const bool first = order == operand_order::shared_first;
    return { reinterpret_cast<const float *>(data), first ? row : 1, first ? 1 : row };
}

namespace {

// Rows of a weight as values, in memory of this thread. Null where there is none.
const float * weight_rows(const ggml_tensor * weight, int64_t first, int64_t n) noexcept {
    static thread_local std::vector<float> values;
    try {
        values.resize((size_t) (n * weight->ne[0]));
    } catch (const std::bad_alloc &) {
        return nullptr;
    }
    const auto to_float = ggml_get_type_traits(weight->type)->to_float;
    for (int64_t i = 0; i < n; i++)
        to_float(static_cast<const char *>(weight->data) + (first + i) * (int64_t) weight->nb[1],
                 values.data() + i * weight->ne[0], weight->ne[0]);
    return values.data();
}

// Few enough rows for the second-level cache, and a cut where the kernel has one itself.
void run_on_weight(const product_kernel & kernel, const ggml_tensor * weight, operand_order order, product_part part) {
    const float * const b = part.b.data;
    float * const out = part.out;
    const bool across = order == operand_order::shared_last;
    const int64_t begin = across ? 0 : part.a_begin, end = across ? part.n_k : part.a_end, n_row = weight->ne[0];
    for (int64_t row = begin; row < end; row += product_depth) {
        const int64_t n = std::min(product_depth, end - row);
        const float * values = weight_rows(weight, row, n);
        if (!values) {
            // No exception may leave a node: a loss that is no number ends the training.
            *out = NAN;
            return;
        }
        if (across) {
            part.a = { values, 1, n_row };
            part.b.data = b + row * part.b.k_stride;
            part.n_k = n;
            part.adds = row > 0;
        } else {
            part.a = { values, n_row, 1 };
            part.a_begin = 0;
            part.a_end = n;
            part.out = out + row;
        }
        kernel.run(part);
    }
}

template <operand_order a_order, operand_order b_order>
void product_node(ggml_tensor * node, int thread, int n_threads, void *) {
    static const product_kernel & kernel = product_kernels().front();
    const ggml_tensor *a = node->src[0], *b = node->src[1];
    const int64_t n_k = a->ne[a_order == operand_order::shared_first ? 0 : 1];
    const int64_t n_a = node->ne[0], n_b = node->ne[1], n_planes = node->ne[2] * node->ne[3];
    const auto run = [&](int64_t plane, int64_t a_begin, int64_t a_end, int64_t b_begin, int64_t b_end) {
        const int64_t i2 = plane % node->ne[2], i3 = plane / node->ne[2];
        char * out = static_cast<char *>(node->data) + i2 * (int64_t) node->nb[2] + i3 * (int64_t) node->nb[3];
        product_part part{};
        part.b = plane_of(b, b_order, plane);
        part.n_k = n_k;
        part.a_begin = a_begin;
        part.a_end = a_end;
        part.b_begin = b_begin;
        part.b_end = b_end;
        part.out = reinterpret_cast<float *>(out);
        part.out_stride = (int64_t) (node->nb[1] / sizeof(float));
        if (a->type != GGML_TYPE_F32) return run_on_weight(kernel, a, a_order, part);
        part.a = plane_of(a, a_order, plane);
        kernel.run(part);
    };
    // Threads take planes where there are enough, else parts of the longer side: each of them packs the shorter one.
    const auto part = [&](int64_t n, int64_t unit, int64_t at) {
        return std::min(n, (n + unit - 1) / unit * at / n_threads * unit);
    };
    if (n_planes >= n_threads) {
        for (int64_t plane = n_planes * thread / n_threads; plane < n_planes * (thread + 1) / n_threads; plane++)
            run(plane, 0, n_a, 0, n_b);
        return;
    }
    for (int64_t plane = 0; plane < n_planes; plane++)
        if (n_a > n_b)
            run(plane, part(n_a, 32, thread), part(n_a, 32, thread + 1), 0, n_b);
        else
            run(plane, 0, n_a, part(n_b, 12, thread), part(n_b, 12, thread + 1));
}

}  // namespace

ggml_tensor * product_on_cpu(ggml_context * ctx, const operand & a, const operand & b) {
    constexpr auto first = operand_order::shared_first, last = operand_order::shared_last;
    const bool a_first = a.order == first, b_first = b.order == first;
    const ggml_custom_op_t node = a_first ? (b_first ? product_node<first, first> : product_node<first, last>)
                                          : (b_first ? product_node<last, first> : product_node<last, last>);
    ggml_tensor * operands[2] = { a.tensor, b.tensor };
    return ggml_custom_4d(ctx, GGML_TYPE_F32, a.tensor->ne[a_first ? 1 : 0], b.tensor->ne[b_first ? 1 : 0],
                          a.tensor->ne[2], a.tensor->ne[3], operands, 2, node, GGML_N_TASKS_MAX, nullptr);
}

}  // namespace overfill
