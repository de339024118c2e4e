// Attention's operations in a CPU graph that compute what the mask lets see, and nothing else.
//
// A token's span are the keys from the first to the last that it sees: [begin, end). Queries are taken in blocks of one
// head, keys in blocks as well, and of a block only the joined span of its tokens is computed. With causal masks that
// is little more than half; with short texts side by side in a row, much less.
//
//   keys, values  [size, n_keys, n_head_kv, n_seq]
//   queries       [size, n_tokens * group, n_head_kv, n_seq]: heads that share a KV head lie next to each other
//   spans         I32 [2, n_tokens, 1, n_seq]
#pragma once

#include "matrix_product.h"

#include <ggml.h>

#include <cstdint>
#include <vector>

namespace overfill {

// Tokens or keys of a block.
constexpr int64_t visible_block = 96;

// Of rows of a mask, each of `n_keys`: begin and end, row by row. A row sees something.
std::vector<int32_t> spans_of(const std::vector<float> & mask, size_t n_keys);

// result[j, i] = sum over k of keys[k, j] * queries[k, i]; what no token of a block sees is left as it was.
ggml_tensor * visible_scores(ggml_context * ctx, ggml_tensor * keys, ggml_tensor * queries, ggml_tensor * spans);

// Of scores [n_keys, n_tokens * group, n_head_kv, n_seq], in place: factor * scores + mask, and its softmax. 0 outside
// of the spans.
ggml_tensor * visible_softmax(ggml_context * ctx, ggml_tensor * scores, ggml_tensor * mask, ggml_tensor * spans,
                              float factor);
// Its gradient out of that of its result `p`, in place of the latter.
ggml_tensor * visible_softmax_back(ggml_context * ctx, ggml_tensor * gradient, ggml_tensor * p, ggml_tensor * spans,
                                   float factor);

// result[d, i] = sum over seen j of rows[d, j] * p[j, i], p as scores.
ggml_tensor * visible_sums(ggml_context * ctx, ggml_tensor * rows, ggml_tensor * p, ggml_tensor * spans);

// result[d, j] = sum over i that see it of queries[d, i] * p[first + j, i], of `count` keys.
ggml_tensor * visible_key_sums(ggml_context * ctx, ggml_tensor * queries, ggml_tensor * p, ggml_tensor * spans,
                               int64_t first, int64_t count);

}  // namespace overfill
