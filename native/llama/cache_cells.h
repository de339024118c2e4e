// For this room only (it includes llama.cpp's internals): kv_cells.h for a cache object, whichever memory it is a part
// of.
#pragma once

#include "kv_cells.h"
#include "llama-kv-cache.h"

namespace overfill {

uint32_t stream_in(const llama_kv_cache & cache, llama_seq_id sequence);
std::vector<kv_cell> cells_in(const llama_kv_cache & cache, llama_seq_id sequence, llama_pos from = 0);
// `tokens`: which stand at the positions; some models look them up in the cells. Null: whoever writes does not know.
std::vector<uint32_t> take_cells_in(llama_context * ctx, llama_kv_cache & cache, llama_seq_id sequence,
                                    const std::vector<llama_pos> & positions, const llama_token * tokens = nullptr);

}  // namespace overfill
