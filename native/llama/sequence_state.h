// One sequence of a context's memory, taken out and put back: into the same memory, or into another one of the same
// layout, with other sequences beside it or in a stream of another number.
//
// Of the caches that a memory is made of, this writes and reads the cells itself: llama.cpp's own states
// (llama_state_seq_get_data) leave out what a sliding window has passed, which a sequence needs again once it is cut,
// and their readers assert what a damaged state would not hold. Of a recurrent state they keep everything.
#pragma once

#include "kept_bytes.h"

#include <ggml.h>
#include <llama.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace overfill {

// What is taken of a sequence: all that the memory keeps of it or, where a part of that cannot be cut, that part alone.
enum class state_part { all, uncuttable };

struct sequence_state {
    // The cells of one cache, in the order in which they lie there.
    struct cells {
        std::vector<llama_pos> positions;
        std::vector<llama_token> tokens;  // where the cache keeps them; else empty
    };
    std::vector<cells> caches;       // none of a part
    std::vector<uint8_t> recurrent;  // what llama.cpp writes about a recurrent state beside its values; else empty
    // K of a cache's first layer for all its cells, V of that layer, K of the next, ...; the next cache; the state.
    kept_bytes values;
};

// A sequence's state whose values stay where they are, and are given piece by piece: for what is as long as the
// sequence, such as a file, so that nobody needs memory for a second copy. Valid while the sequence keeps its cells.
class gradual_state {
  public:
    // Throws ERR_INTERNAL, std::bad_alloc.
    gradual_state(llama_context * ctx, llama_seq_id sequence, state_part part);
    ~gradual_state();

    const sequence_state & described() const { return described_; }  // without its values
    size_t size() const;                                             // of the values, in bytes
    void read(size_t at, uint8_t * to, size_t n) const;

  private:
    struct values;
    sequence_state described_;
    std::unique_ptr<values> values_;
};

// All at once. Throws the same.
sequence_state save_sequence(llama_context * ctx, llama_seq_id sequence, state_part part);

// Into whichever cells are free; the sequence's own are among them. False: there are too few, and the sequence is
// empty. A state that was not saved here must have gone through state_defect. Throws ERR_FILE_READ_FAILED where the
// values lie in a file, and what is to be thrown where they are damaged; the sequence is empty then, too.
bool restore_sequence(llama_context * ctx, llama_seq_id sequence, const sequence_state & state, state_part part);

// What of a sequence's memory cannot be cut, in llama.cpp's own form: for states that stay in this process. As above.
std::vector<uint8_t> save_uncuttable(llama_context * ctx, llama_seq_id sequence);
bool restore_uncuttable(llama_context * ctx, llama_seq_id sequence, const std::vector<uint8_t> & state);

// Values of one type, in the order in which a state has them.
struct value_run {
    ggml_type type;
    uint64_t n_values;
};
// Of all that is K and V of single tokens. Empty where the memory keeps something else as well.
std::vector<value_run> value_runs_of(const llama_context * ctx, const sequence_state & state);

// What the values of a state depend on beside the weights: facts with their names, such as the types of K and V.
using state_layout = std::vector<std::pair<std::string, std::string>>;
// With a layer map: of what a model uses that shares the memory through it, as if it were its own.
state_layout state_layout_of(const llama_context * ctx, const std::vector<int32_t> & layer_map = {});

// Whether sequences of the memory can be saved at all. DeepSeek 4's compressed memory has more than what is kept here.
bool can_save_sequences(const llama_context * ctx);

// Why a state of this memory's layout does not hold a sequence's first n tokens; empty if it does. `empty`: a sequence
// that holds nothing.
std::string state_defect(const llama_context * ctx, llama_seq_id empty, const sequence_state & state, uint32_t n_tokens,
                         state_part part);

// How many tokens a sequence may have, where the memory does not tell because sequences share one stream of cells. Some
// models choose their RoPE factors by that. Before anything is read.
void set_sequence_size(llama_context * ctx, uint32_t n_tokens);

}  // namespace overfill
