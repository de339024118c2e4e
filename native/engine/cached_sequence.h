// One sequence in one cache of a pair: what it holds, by whom, and how it goes forward and back.
//
// Where a memory can be cut behind any token, going back is that. A recurrent state cannot: it goes back to where it
// was marked, or to nothing, and what is then missing of the tokens that are to be held is owed. It is read again by
// the models that had read it, when somebody reads on. A mark is a spare sequence of the same memory, which takes over
// the cells (llama_memory_seq_cp): KV cells are marked twice, and a recurrent state is copied where it is written next.
// No byte moves at the mark itself.
#pragma once

#include "cache_ledger.h"
#include "pair.h"
#include "prefix_cache.h"
#include "scheduler.h"

#include <llama.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace overfill {

class cached_sequence {
  public:
    // `cache`: a side that uses the cache.
    cached_sequence(pair & models, pair_side cache, llama_seq_id sequence);

    // What is to be held. Some of it may be owed.
    const cache_ledger & ledger() const { return wanted_; }
    uint32_t size() const { return wanted_.size(); }
    llama_seq_id sequence() const { return sequence_; }
    uint32_t n_owed() const { return wanted_.size() - held_.size(); }

    // Reads the next n tokens; the logits of the last n_logits are wanted. ERR_INTERNAL if something is owed. At most
    // pair::batch_size(by) tokens. False: it was aborted; what was there before is held or owed. Throws what
    // pair::read throws, which leaves it likewise.
    bool read(pair_side by, const llama_token * tokens, uint32_t n, uint32_t n_logits);

    // The next tokens of each of several sequences are read in one batch, the logits of all wanted. All are read in one
    // context. False: it was aborted. Otherwise as `read`. `n_each`: of each sequence so many are read at least, with
    // something behind its own that is taken back: only where sequences can be cut.
    static bool read_rows(pair & models, const std::vector<batch_row> & rows, uint32_t n_each = 0);

    // Reads up to `most` tokens of what is owed, a micro-batch at most; `text` are the sequence's tokens from its
    // beginning. The number of tokens read, nothing if it was aborted. Throws what pair::read throws.
    std::optional<uint32_t> catch_up(const llama_token * text, uint32_t most);

    // Takes over what was read before, from the end of what is held on, as if the prefill model had read it. `text` are
    // the sequence's tokens from its beginning. Where something is owed, it must be the prefill model's, and no more
    // may be taken over. Throws what pair::write_rows throws, and then holds or owes what it held.
    void take_over(const llama_token * text, const prefix_cache::match & found);
    // The same from another sequence of the same cache, up to token n, which the prefill model has read there: the
    // cells are marked once more, and no byte moves. Only where all sequences share one stream that can be cut.
    void share(const cached_sequence & other, uint32_t n);
    // Of its tokens [begin, end), which have to be held: their rows, and where the memory cannot be cut, the state.
    void give_rows(uint32_t begin, uint32_t end, uint8_t * out) const;
    kept_state give_state() const;

    // Tokens from the beginning that the prefill model read in whole micro-batches from there on.
    uint32_t n_whole() const { return std::min(n_whole_, held_.size()); }

    // Tokens from the beginning up to the last one whose rows are not as a model of the pair wrote them.
    uint32_t n_foreign() const { return std::min(n_foreign_, held_.size()); }
    void set_foreign() { n_foreign_ = held_.size(); }

    // Keeps the first n tokens, or all there are.
    void cut(uint32_t n);

    // Owes nothing any more: the caller finds by himself what is missing.
    void write_off() { wanted_ = held_; }

    // Remembers the state, for a memory that cannot be cut: a later cut goes back to here at little cost. There is one
    // mark, the last. Nothing may be owed.
    void mark();
    // Whether a cut goes back to here: it was marked, or needs no mark.
    bool is_marked() const { return pair_.can_cut() || marked_ == held_; }

    // Becomes a copy of another sequence of the same cache, its mark included.
    void copy(const cached_sequence & from);

    bool is_aside() const { return aside_.has_value(); }
    // Whether it takes cells of the cache.
    bool holds_cells() const { return !aside_ && (held_.size() > 0 || marked_.size() > 0); }

    // Moves what it holds, its mark included, out of the cache into memory of its own. It can be cut then, but nothing
    // else until it is back. Throws std::bad_alloc; nothing has changed then.
    void put_aside();
    // Moves it back. False: there are too few free cells. Throws ERR_FILE_READ_FAILED where it comes from a file; it is
    // put aside as before then.
    bool bring_back();

    // What it holds, its mark included, apart from the cache.
    struct stored {
        sequence_state state, mark;
        cache_ledger held, marked;
    };
    // All that it is. It can be taken of one cache and given to a sequence of another.
    struct image {
        cache_ledger wanted, held;
        std::optional<stored> cells;  // of `held` and maybe more; nothing where that is nothing
        // Where the values of the cells are not in it, but still in the cache.
        std::shared_ptr<const gradual_state> values;
    };
    // Throws what pair::save throws. `gradual`: the values stay where they are.
    image take_image(bool gradual) const;
    // Those that stayed, as long as nothing else is done than to put it aside.
    void give_values(const gradual_state & of, size_t at, uint8_t * to, size_t n) const;
    // Becomes that, put aside. It holds nothing now, and the image is sound.
    void adopt(image of);

    // What it holds may be no numbers: its arithmetic overflowed, or the weights are broken. What it gives up of it is
    // wiped, or whoever takes the cells next would suffer from it.
    void distrust() { distrusted_ = true; }

    // After a handover has written the cells: the cache now holds this.
    void adopt(const cache_ledger & ledger) {
        n_whole_ = n_whole();
        wanted_ = held_ = ledger;
    }

  private:
    bool read_next(pair_side by, const llama_token * tokens, uint32_t n, uint32_t n_logits);
    void make_room();
    void took(uint32_t n, pair_side by);
    // Makes the cache hold at most its first n tokens, whatever a read has left behind them: where it cannot be cut,
    // those of the mark if it lies at n or before, else none.
    void go_back(uint32_t n);
    // Gives up what a sequence of the cache, this one or its spare, has from a position on.
    void forget(llama_seq_id which, uint32_t from);
    void cut_aside(uint32_t n);
    stored store(std::shared_ptr<const gradual_state> * values = nullptr) const;

    pair & pair_;
    llama_context * cache_;
    llama_seq_id sequence_;
    cache_ledger wanted_, held_;
    cache_ledger marked_;     // empty: no mark
    uint32_t n_whole_ = 0;    // may be more than are held, after a cut
    uint32_t n_foreign_ = 0;  // the same
    bool distrusted_ = false;
    std::optional<stored> aside_;  // as it was when it was put aside; it may have been cut since
};

}  // namespace overfill
