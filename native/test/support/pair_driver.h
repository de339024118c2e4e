// One session on a pair's own classes, without the engine's thread: each call is a stage, every row of logits is seen,
// the tokens that are written are the caller's, and an abort comes after a given number of graph nodes.
#pragma once

#include "session.h"

#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

namespace overfill::test {

using logits_row = std::vector<float>;  // [n_vocab]

class pair_driver {
  public:
    // Throws what the pair's constructor throws.
    explicit pair_driver(const pair_options & options);

    const pair_info & info() const { return pair_.info(); }
    uint64_t n_nodes() const { return n_nodes_; }  // computed so far; each asks whether to go on
    // From here on, computing ends after so many nodes.
    void abort_after(uint64_t n_nodes) { n_allowed_ = n_nodes_ + n_nodes; }
    void allow_all() { n_allowed_ = std::numeric_limits<uint64_t>::max(); }

    // These two return false if they were aborted.
    bool prefill(const std::vector<llama_token> & prompt, bool refresh = true);
    bool refresh();
    handover_report hand_over(std::optional<pair_side> writer = std::nullopt) { return session_.hand_over(writer); }
    // Writes these tokens; the rows that they would have been picked from. Fewer if it was aborted.
    std::vector<logits_row> decode(const std::vector<llama_token> & tokens,
                                   std::optional<pair_side> writer = std::nullopt);
    void retract(uint32_t n) { session_.retract(n); }
    // Tokens that were read once more because the memory could not be cut where it had to go back to.
    session_stats stats() const { return session_.stats(); }
    uint32_t n_read_again() const { return session_.stats().n_restored_tokens; }
    void clear() { session_.clear(); }

  private:
    static bool should_abort(void * data);
    bool catch_up();

    uint64_t n_nodes_ = 0;
    uint64_t n_allowed_ = std::numeric_limits<uint64_t>::max();
    pair pair_;
    session session_;
};

}  // namespace overfill::test
