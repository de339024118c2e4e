// Lending: a second context computes on a first context's memory, whatever kind it is: KV cache, sliding windows,
// recurrent state, latent KV or what comes later.
//
// llama.cpp's graphs take what they need from the memory context that the memory makes for a batch. The borrower's
// memory only forwards every call, so that what it makes is the owner's, of the right kind for the architecture, and
// none of the decisions by which llama.cpp builds a memory is repeated here.
#pragma once

#include <llama.h>

#include <cstddef>

namespace overfill {

// Lets `borrower` use the memory of `owner` and frees its own. `owner` must outlive `borrower`. The context size, the
// number of sequences and the layout become the owner's.
//
// The caller has checked that both models keep the same things in memories of the same shape (handover/pair_plan.h).
// Throws ERR_INTERNAL if the memories are of different kinds even so, ERR_OUT_OF_MEMORY if the borrower's graph cannot
// be reserved for the larger memory.
void lend_memory(llama_context * owner, llama_context * borrower);

// Whether both contexts use one memory.
bool shares_memory(const llama_context * a, const llama_context * b);

// Bytes of the memory that a context owns; none for one that is lent.
size_t memory_bytes(const llama_context * ctx);

bool uses_flash_attention(const llama_context * ctx);

}  // namespace overfill
