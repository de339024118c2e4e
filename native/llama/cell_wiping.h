// Zeros for what a memory keeps of a sequence. llama.cpp does not clear what it gives free: it lets other sequences
// look at it with a weight of zero, and begins a recurrent state by multiplying what was there with zero. Neither takes
// away what is no number.
#pragma once

#include <llama.h>

namespace overfill {

// From the position `from` on, where no other sequence has part in it. A recurrent state is one whatever the position.
// Does nothing to other kinds of memory than KV caches, recurrent states, and both together.
void wipe_cells(llama_context * ctx, llama_seq_id sequence, llama_pos from);

}  // namespace overfill
