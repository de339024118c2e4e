// The rows of K and V that a sequence's tokens have in a context's memory, as bytes: all caches and layers of them, in
// the form in which they are stored. What was read of one sequence can be written to another's, into whichever cells
// are free there.
#pragma once

#include <ggml.h>
#include <llama.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace overfill {

// Rows of n_tokens, as read() gives them: cache by cache, layer by layer, of each K and then V; of a tensor n_tokens
// rows, or with V transposed, channel by channel, n_tokens values.
struct stored_tokens {
    const uint8_t * bytes;
    uint32_t n_tokens;
};

class kv_rows {
  public:
    // The context has read nothing yet, or not by other threads. With a layer map, of the layers that a model uses that
    // shares the cache through it, in that model's order.
    explicit kv_rows(llama_context * ctx, const std::vector<int32_t> & layer_map = {});

    // 0: it keeps nothing of single tokens.
    size_t token_bytes() const { return token_bytes_; }

    // Of the n tokens from `from` on; token_bytes() for each. Throws ERR_INTERNAL if the memory does not hold them.
    void read(llama_seq_id sequence, llama_pos from, uint32_t n, uint8_t * out) const;

    // The rows of n tokens, from `first` on in `from`, as those of `tokens` at the positions from `position` on. Throws
    // ERR_CONTEXT_OVERFLOW if there are too few free cells; some of the positions may then be taken.
    void write(llama_seq_id sequence, llama_pos position, const llama_token * tokens, uint32_t n,
               const stored_tokens & from, uint32_t first) const;

  private:
    struct part {
        size_t cache;
        ggml_tensor * tensor;
        // Of a token: n_pieces pieces of piece_bytes. A tensor has its tokens `token_stride` apart, and a token's
        // pieces `piece_stride`.
        size_t piece_bytes, n_pieces, token_stride, piece_stride, stream_stride;
    };

    llama_context * ctx_;
    size_t n_caches_ = 0;
    size_t token_bytes_ = 0;
    std::vector<part> parts_;
};

}  // namespace overfill
