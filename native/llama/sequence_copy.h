// One sequence of a context's memory as a copy of another.
#pragma once

#include <llama.h>

namespace overfill {

// Makes `to` hold what `from` holds, and nothing else. Where both live in one stream the cells are only marked twice;
// between streams they are copied. The copy is done on return, also for a context that shares the cells by a cache
// object of its own.
void copy_sequence(llama_context * ctx, llama_seq_id from, llama_seq_id to);

}  // namespace overfill
