// One sequence of a context's memory as bytes, and back into it.
#pragma once

#include <llama.h>

#include <cstdint>
#include <vector>

namespace overfill {

// What is taken of a sequence: all that the memory keeps of it or, where a part of that cannot be cut, that part alone.
enum class state_part { all, uncuttable };

// Throws ERR_INTERNAL, std::bad_alloc.
std::vector<uint8_t> save_sequence(llama_context * ctx, llama_seq_id sequence, state_part part);

// Into whichever cells are free. False: there are too few, and the sequence is empty.
bool restore_sequence(llama_context * ctx, llama_seq_id sequence, const std::vector<uint8_t> & state, state_part part);

// How many tokens a sequence may have, where the memory does not tell because sequences share one stream of cells. Some
// models choose their RoPE factors by that. Before anything is read.
void set_sequence_size(llama_context * ctx, uint32_t n_tokens);

}  // namespace overfill
