// The rows of K and V in the caches of a pair: out of them and into them.
#include "failure.h"
#include "pair.h"

namespace overfill {

const llama_context * pair::rows_context(pair_side side) const { return shares(side) ? prefill_.get() : context(side); }

// A writer may use some of the layers of a cache that it shares.
const std::vector<int32_t> & pair::rows_map(pair_side side) const {
    static const std::vector<int32_t> none;
    return side != pair_side::prefill && shares(side) ? plan_of(side).layer_map : none;
}

const kv_rows & pair::rows_of(pair_side side) {
    const std::vector<int32_t> & map = rows_map(side);
    std::unique_ptr<kv_rows> & rows = shares(side) && map.empty() ? rows_ : writer_of(side).rows;
    if (!rows) rows = std::make_unique<kv_rows>(const_cast<llama_context *>(rows_context(side)), map);
    return *rows;
}

size_t pair::bytes_per_token(pair_side side) { return rows_of(side).token_bytes(); }

state_layout pair::layout_of(pair_side side) const { return state_layout_of(rows_context(side), rows_map(side)); }

void pair::give_rows(llama_seq_id sequence, llama_pos from, uint32_t n, uint8_t * out, pair_side side) {
    synchronize(prefill_.get());
    llama_synchronize(const_cast<llama_context *>(rows_context(side)));
    rows_of(side).read(sequence, from, n, out);
}

void pair::write_rows(llama_seq_id sequence, llama_pos position, const llama_token * tokens, uint32_t n,
                      const stored_tokens & from, uint32_t first) {
    synchronize(prefill_.get());
    const kv_rows & rows = rows_of(pair_side::prefill);
    with_room([&] {
        try {
            rows.write(sequence, position, tokens, n, from, first);
        } catch (...) {
            forget(prefill_.get(), sequence, position);
            throw;
        }
    });
}

}  // namespace overfill
