// The book-keeping of a KV cache's cells: which of them hold a sequence's tokens, and how to take cells for tokens that
// are written by other means than llama_decode.
#pragma once

#include <llama.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace overfill {

struct kv_cell {
    uint32_t index;  // within the sequence's stream
    llama_pos position;
};

// The stream of the cache (see view_kv for the caches of a context) that holds the sequence.
uint32_t stream_of(const llama_context * ctx, size_t cache, llama_seq_id sequence);

// The sequence's cells from `from` on, in the order of their positions.
std::vector<kv_cell> cells_of(const llama_context * ctx, size_t cache, llama_seq_id sequence, llama_pos from = 0);

// Takes free cells for these positions of the sequence, in their order. What the cells hold is the caller's affair.
// Throws ERR_CONTEXT_OVERFLOW if there are not enough; nothing is taken then.
std::vector<uint32_t> take_cells(llama_context * ctx, size_t cache, llama_seq_id sequence,
                                 const std::vector<llama_pos> & positions);

}  // namespace overfill
