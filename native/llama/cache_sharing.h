// Sharing through a layer map: makes a second context decode on a first context's KV cache, the same cells and the same
// tensors, where its layers use other layers' K and V than those of the same index. Without a map, the memory itself is
// lent (memory_lending.h).
//
// A new cache object is built for the second context with the first one's cache as its source, so that every layer
// refers to the source's tensors and the cells are one object. llama.cpp treats a cache with a source as read-only in
// its book-keeping of cells, so the link to the source is cleared afterwards: both contexts then place and remove
// tokens as owners. The new cache is installed as the second context's memory and its graph is reserved again.
#pragma once

#include <llama.h>

#include <cstdint>
#include <vector>

namespace overfill {

// Lets `borrower` use the cache of `owner`. Clears the cells of `owner` (llama.cpp resizes them), so it belongs to load
// time. `owner` must outlive `borrower`. The context size, the batch of sequences and the layout become the owner's.
//
//   layer_map[i]  the owner's layer whose K and V the borrower's layer i uses
//
// The caller has checked that shapes, types and layout agree (handover/pair_plan.h). Throws ERR_OUT_OF_MEMORY if the
// borrower's graph cannot be reserved for the larger cache.
void share_kv_cache(llama_context * owner, llama_context * borrower, const std::vector<int32_t> & layer_map);

// To be called before a context of such a pair reads tokens of the sequence. Each of the two cache objects remembers
// by itself where it wrote last and looks for free cells from there on. A sliding-window cache counts cells behind the
// window as free, so a stale place would let one context overwrite cells that a refresh by the other still needs.
void align_write_position(llama_context * ctx, llama_seq_id sequence);

}  // namespace overfill
