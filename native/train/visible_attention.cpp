#include "visible_attention.h"

#include "product_kernel.h"
#include "softmax_kernel.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace overfill {

namespace {

// A multiple of all tiles' columns.
constexpr int64_t block_size = visible_block;

struct span {
    int64_t begin, end;
    bool is_empty() const { return begin >= end; }
    void join(const span & other) {
        begin = std::min(begin, other.begin);
        end = std::max(end, other.end);
    }
};

// What the nodes have in common: which sequence a plane is of, and what is seen in it.
class view_of_spans {
  public:
    explicit view_of_spans(const ggml_tensor * spans) : spans_(spans) {}

    int64_t n_tokens() const { return spans_->ne[1]; }
    span of(int64_t sequence, int64_t token) const {
        const int32_t * at = reinterpret_cast<const int32_t *>(static_cast<const char *>(spans_->data) +
                                                               sequence * (int64_t) spans_->nb[3]) +
                             2 * token;
        return { at[0], at[1] };
    }
    // Of the tokens [begin, end).
    span joined(int64_t sequence, int64_t begin, int64_t end) const {
        span all = of(sequence, begin);
        for (int64_t token = begin + 1; token < end; token++) all.join(of(sequence, token));
        return all;
    }
    // The tokens that see any of the keys.
    span seeing(int64_t sequence, const span & keys) const {
        span tokens{ n_tokens(), 0 };
        for (int64_t token = 0; token < n_tokens(); token++) {
            const span one = of(sequence, token);
            if (one.begin < keys.end && one.end > keys.begin) tokens.join({ token, token + 1 });
        }
        return tokens;
    }

  private:
    const ggml_tensor * spans_;
};

// Later blocks see more: threads take them there and back, so that each has of all sizes.
template <class Work> void share(int64_t n, int thread, int n_threads, const Work & work) {
    for (int64_t first = 0, turn = 0; first < n; first += n_threads, turn++) {
        const int64_t at = first + (turn % 2 == 0 ? thread : n_threads - 1 - thread);
        if (at < n) work(at);
    }
}

int64_t blocks_of(int64_t n) { return (n + block_size - 1) / block_size; }

const product_kernel & kernel() { return product_kernels().front(); }

float * plane_data(const ggml_tensor * x, int64_t plane) {
    return const_cast<float *>(plane_of(x, operand_order::shared_first, plane).data);
}

// Calls back with each block of queries: its plane, its rows, and what their tokens see.
template <class Work>
void each_query_block(const ggml_tensor * queries, const ggml_tensor * spans, int thread, int n_threads,
                      const Work & work) {
    const view_of_spans seen(spans);
    const int64_t n_tokens = seen.n_tokens(), group = queries->ne[1] / n_tokens, n_blocks = blocks_of(n_tokens);
    share(queries->ne[2] * queries->ne[3] * group * n_blocks, thread, n_threads, [&](int64_t at) {
        const int64_t head = at / n_blocks, plane = head / group, begin = at % n_blocks * block_size;
        const int64_t end = std::min(begin + block_size, n_tokens), first = head % group * n_tokens;
        work(plane, span{ first + begin, first + end }, seen.joined(plane / queries->ne[2], begin, end));
    });
}

void scores_node(ggml_tensor * node, int thread, int n_threads, void *) {
    const ggml_tensor *keys = node->src[0], *queries = node->src[1];
    each_query_block(queries, node->src[2], thread, n_threads,
                     [&](int64_t plane, const span & rows, const span & seen) {
                         product_part part{};
                         part.a = plane_of(keys, operand_order::shared_first, plane);
                         part.b = plane_of(queries, operand_order::shared_first, plane);
                         part.n_k = keys->ne[0];
                         part.a_begin = seen.begin;
                         part.a_end = seen.end;
                         part.b_begin = rows.begin;
                         part.b_end = rows.end;
                         part.out = plane_data(node, plane);
                         part.out_stride = (int64_t) (node->nb[1] / sizeof(float));
                         kernel().run(part);
                     });
}

void sums_node(ggml_tensor * node, int thread, int n_threads, void *) {
    const ggml_tensor *rows_of = node->src[0], *p = node->src[1];
    each_query_block(p, node->src[2], thread, n_threads, [&](int64_t plane, const span & rows, const span & seen) {
        product_part part{};
        part.a = plane_of(rows_of, operand_order::shared_last, plane);
        part.b = plane_of(p, operand_order::shared_first, plane);
        part.a.data += seen.begin * part.a.k_stride;
        part.b.data += seen.begin * part.b.k_stride;
        part.n_k = seen.end - seen.begin;
        part.a_end = rows_of->ne[0];
        part.b_begin = rows.begin;
        part.b_end = rows.end;
        part.out = plane_data(node, plane);
        part.out_stride = (int64_t) (node->nb[1] / sizeof(float));
        kernel().run(part);
    });
}

void key_sums_node(ggml_tensor * node, int thread, int n_threads, void * first_key) {
    const ggml_tensor *queries = node->src[0], *p = node->src[1];
    const view_of_spans seen(node->src[2]);
    const auto first = (int64_t) reinterpret_cast<intptr_t>(first_key);
    const int64_t n_keys = node->ne[1], n_blocks = blocks_of(n_keys), n_tokens = seen.n_tokens();
    const int64_t group = queries->ne[1] / n_tokens, stride = (int64_t) (node->nb[1] / sizeof(float));
    share(node->ne[2] * node->ne[3] * n_blocks, thread, n_threads, [&](int64_t at) {
        const int64_t plane = at / n_blocks, begin = at % n_blocks * block_size;
        const int64_t end = std::min(begin + block_size, n_keys);
        const span tokens = seen.seeing(plane / node->ne[2], { first + begin, first + end });
        float * out = plane_data(node, plane);
        if (tokens.is_empty()) {
            for (int64_t j = begin; j < end; j++)
                std::memset(out + j * stride, 0, sizeof(float) * (size_t) node->ne[0]);
            return;
        }
        const matrix a = plane_of(queries, operand_order::shared_last, plane);
        const matrix b = plane_of(p, operand_order::shared_last, plane);
        product_part part{};
        part.n_k = tokens.end - tokens.begin;
        part.a_end = node->ne[0];
        part.b_begin = begin;
        part.b_end = end;
        part.out = out;
        part.out_stride = stride;
        for (int64_t head = 0; head < group; head++) {
            const int64_t query = head * n_tokens + tokens.begin;
            part.a = { a.data + query * a.k_stride, a.row_stride, a.k_stride };
            part.b = { b.data + first + query * b.k_stride, b.row_stride, b.k_stride };
            part.adds = head > 0;
            kernel().run(part);
        }
    });
}

// A number in the place of a pointer, which is all that a node can carry.
static_assert(sizeof(void *) >= sizeof(float), "a factor fits into a pointer");
void * carried(float factor) {
    void * out = nullptr;
    std::memcpy(&out, &factor, sizeof factor);
    return out;
}
float factor_in(void * carried) {
    float out;
    std::memcpy(&out, &carried, sizeof out);
    return out;
}

// Calls back with each row of scores, from the first key that its token sees on, and clears what is beside that.
template <class Work>
void each_row(ggml_tensor * rows, const ggml_tensor * spans, int thread, int n_threads, const Work & work) {
    const view_of_spans seen(spans);
    const int64_t n_keys = rows->ne[0], n_rows = rows->ne[1], n_tokens = seen.n_tokens();
    const int64_t all = n_rows * rows->ne[2] * rows->ne[3];
    for (int64_t at = all * thread / n_threads; at < all * (thread + 1) / n_threads; at++) {
        const int64_t plane = at / n_rows, row = at % n_rows, token = row % n_tokens, sequence = plane / rows->ne[2];
        const span keys = seen.of(sequence, token);
        const int64_t offset = row * (int64_t) (rows->nb[1] / sizeof(float));
        float * values = plane_data(rows, plane) + offset;
        std::memset(values, 0, sizeof(float) * (size_t) keys.begin);
        std::memset(values + keys.end, 0, sizeof(float) * (size_t) (n_keys - keys.end));
        work(values + keys.begin, sequence, token, plane, offset, keys);
    }
}

void softmax_node(ggml_tensor * node, int thread, int n_threads, void * factor) {
    const ggml_tensor * mask = node->src[1];
    each_row(node, node->src[2], thread, n_threads,
             [&](float * values, int64_t sequence, int64_t token, int64_t, int64_t, const span & keys) {
                 const float * hidden =
                     plane_data(mask, sequence) + token * (int64_t) (mask->nb[1] / sizeof(float)) + keys.begin;
                 softmax_kernels().front().forward(values, hidden, factor_in(factor), keys.end - keys.begin);
             });
}

void softmax_back_node(ggml_tensor * node, int thread, int n_threads, void * factor) {
    const ggml_tensor * p = node->src[1];
    each_row(node, node->src[2], thread, n_threads,
             [&](float * values, int64_t, int64_t, int64_t plane, int64_t offset, const span & keys) {
                 const float * weights = plane_data(p, plane) + offset + keys.begin;
                 softmax_kernels().front().backward(weights, values, factor_in(factor), keys.end - keys.begin);
             });
}

ggml_tensor * node_of(ggml_context * ctx, int64_t ne0, int64_t ne1, const ggml_tensor * like, ggml_tensor * a,
                      ggml_tensor * b, ggml_tensor * spans, ggml_custom_op_t run, void * carried = nullptr) {
    ggml_tensor * sources[3] = { a, b, spans };
    return ggml_custom_4d(ctx, GGML_TYPE_F32, ne0, ne1, like->ne[2], like->ne[3], sources, 3, run, GGML_N_TASKS_MAX,
                          carried);
}

}  // namespace

std::vector<int32_t> spans_of(const std::vector<float> & mask, size_t n_keys) {
    std::vector<int32_t> out;
    out.reserve(2 * mask.size() / n_keys);
    for (size_t row = 0; row < mask.size(); row += n_keys) {
        const auto begin = mask.begin() + (std::ptrdiff_t) row, end = begin + (std::ptrdiff_t) n_keys;
        const auto is_seen = [](float value) { return value > -INFINITY; };
        const auto first = std::find_if(begin, end, is_seen);
        const auto last = std::find_if(std::make_reverse_iterator(end), std::make_reverse_iterator(first), is_seen);
        out.push_back((int32_t) (first - begin));
        out.push_back((int32_t) (last.base() - begin));
    }
    return out;
}

ggml_tensor * visible_scores(ggml_context * ctx, ggml_tensor * keys, ggml_tensor * queries, ggml_tensor * spans) {
    return node_of(ctx, keys->ne[1], queries->ne[1], keys, keys, queries, spans, scores_node);
}

ggml_tensor * visible_softmax(ggml_context * ctx, ggml_tensor * scores, ggml_tensor * mask, ggml_tensor * spans,
                              float factor) {
    ggml_tensor * sources[2] = { mask, spans };
    return ggml_custom_inplace(ctx, scores, sources, 2, softmax_node, GGML_N_TASKS_MAX, carried(factor));
}

ggml_tensor * visible_softmax_back(ggml_context * ctx, ggml_tensor * gradient, ggml_tensor * p, ggml_tensor * spans,
                                   float factor) {
    ggml_tensor * sources[2] = { p, spans };
    return ggml_custom_inplace(ctx, gradient, sources, 2, softmax_back_node, GGML_N_TASKS_MAX, carried(factor));
}

ggml_tensor * visible_sums(ggml_context * ctx, ggml_tensor * rows, ggml_tensor * p, ggml_tensor * spans) {
    return node_of(ctx, rows->ne[0], p->ne[1], rows, rows, p, spans, sums_node);
}

ggml_tensor * visible_key_sums(ggml_context * ctx, ggml_tensor * queries, ggml_tensor * p, ggml_tensor * spans,
                               int64_t first, int64_t count) {
    return node_of(ctx, queries->ne[0], count, queries, queries, p, spans, key_sums_node,
                   reinterpret_cast<void *>((intptr_t) first));
}

}  // namespace overfill
