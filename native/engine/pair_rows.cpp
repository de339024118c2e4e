// The rows of K and V in the caches of a pair: out of them and into them.
#include "failure.h"
#include "pair.h"

namespace overfill {

// A writer that uses some of the layers of a cache that it shares has a view of its own.
const llama_context * pair::rows_context(pair_side side) const {
    return shares(side) && (side == pair_side::prefill || plan_of(side).layer_map.empty()) ? prefill_.get()
                                                                                          : context(side);
}

const kv_rows & pair::rows_of(pair_side side) {
    auto * ctx = const_cast<llama_context *>(rows_context(side));
    std::unique_ptr<kv_rows> & rows = ctx == prefill_.get() ? rows_ : writer_of(side).rows;
    if (!rows) rows = std::make_unique<kv_rows>(ctx);
    return *rows;
}

size_t pair::bytes_per_token(pair_side side) { return rows_of(side).token_bytes(); }

state_layout pair::layout_of(pair_side side) const { return state_layout_of(rows_context(side)); }

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
