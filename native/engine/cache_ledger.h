// What a cache holds of one sequence: which of its tokens were written into it by which model, as runs. Plain
// book-keeping, which touches no cache.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace overfill {

// The models of a pair as readers of tokens: the prefill model, the first decode model and, numbered on from there, the
// others. Who reads a token writes its keys and values, or its part of the state.
enum class pair_side : uint8_t { prefill, decode };

// The n-th decode model, from 0, and its number.
inline pair_side decode_side(size_t n) { return (pair_side) (n + (size_t) pair_side::decode); }
inline size_t decode_index(pair_side side) { return (size_t) side - (size_t) pair_side::decode; }

class cache_ledger {
  public:
    // The tokens from the end of the run before up to `end`.
    struct run {
        uint32_t end;
        pair_side by;
        bool operator==(const run & other) const { return end == other.end && by == other.by; }
    };

    uint32_t size() const { return runs_.empty() ? 0 : runs_.back().end; }

    // The tokens at the beginning that the prefill model wrote: those that a refresh leaves.
    uint32_t n_clean() const { return !runs_.empty() && runs_[0].by == pair_side::prefill ? runs_[0].end : 0; }

    // The run that token i, below size(), is in.
    const run & run_of(uint32_t i) const;

    // The tokens at the beginning that the same model wrote in both.
    uint32_t n_alike(const cache_ledger & other) const;

    // Neighbouring runs of one model are one.
    void append(uint32_t n, pair_side by);
    // Takes the memory that the next append could need.
    void make_room();
    // Keeps the first n tokens, or all there are.
    void truncate(uint32_t n);

    const std::vector<run> & runs() const { return runs_; }
    bool operator==(const cache_ledger & other) const { return runs_ == other.runs_; }

  private:
    std::vector<run> runs_;  // none is empty
};

}  // namespace overfill
