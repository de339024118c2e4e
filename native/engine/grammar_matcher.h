// Follows an answer through a grammar. Where an answer stands is a set of positions: what is still to come of each rule
// that was entered, as a stack; the stacks share their ends. Such a set is a state, and what a character leads to is
// remembered by state, so that an ambiguous grammar costs its positions once and not once a token of the vocabulary.
//
// Every call works within a budget and looks at `stopped` on its way.
#pragma once

#include "grammar.h"
#include "token_pieces.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace overfill {

class grammar_matcher {
  public:
    // `stopped` may be empty. This and what follows throws ERR_GRAMMAR_INVALID where the grammar is too ambiguous for
    // the budget, and error_code::aborted.
    grammar_matcher(grammar rules, const llama_vocab * vocab, std::shared_ptr<token_pieces> pieces,
                    std::function<bool()> stopped);

    // Whether the answer may end here, and whether it must because nothing can follow.
    bool may_end() const { return at_.partial.n_left == 0 && states_[at_.state].may_end; }
    bool over() const { return may_end() && states_[at_.state].nodes.empty(); }

    bool allows(llama_token token);
    // By token, 1 for what may come next.
    const std::vector<uint8_t> & allowed();
    // Throws ERR_INTERNAL for a token that is not allowed.
    void accept(llama_token token);
    // Goes on with a token of which the grammar gets only this end of its text. False: it is not allowed.
    bool follow(llama_token token, const std::string & piece) { return follow(token, piece, true); }

    // What is followed between the two is taken back at the end.
    void begin_draft() { before_draft_ = at_; }
    void end_draft() {
        if (!before_draft_) return;
        at_ = *before_draft_;
        before_draft_.reset();
        shrink_tables();
    }

  private:
    // The beginning of a character that a token ended in.
    struct partial_character {
        uint32_t value = 0;
        uint32_t least = 0;  // a character of so many bytes is at least this one
        uint32_t n_left = 0;
    };
    struct place {
        uint32_t state;
        partial_character partial;
    };
    // A stack: the next element and, as another node, what comes after its sequence.
    struct node {
        uint32_t element, parent;
    };
    struct state {
        std::vector<uint32_t> nodes;  // sorted; their elements are characters or tokens
        bool may_end = false;
    };

    static constexpr uint32_t bottom = 0;  // the empty stack
    static constexpr uint32_t dead = 0;    // the state of no positions

    bool follow(llama_token token, const std::string & piece, bool characters);
    void spend(size_t work);
    uint32_t push(uint32_t element, uint32_t parent);
    uint32_t state_of(std::vector<uint32_t> todo);
    uint32_t intern(std::vector<uint32_t> nodes, bool may_end);
    uint32_t read(uint32_t state, uint32_t code_point);
    bool read(place & at, unsigned char byte);
    bool can_complete(const place & at);
    bool allows_one_of(uint32_t state, uint32_t first, uint32_t last);
    bool matches_token(const grammar_element & element, llama_token token) const;
    void begin_tables();
    void shrink_tables();

    const grammar rules_;
    const llama_vocab * vocab_;
    std::shared_ptr<token_pieces> pieces_;
    std::function<bool()> stopped_;
    place at_{ dead, {} };
    std::optional<place> before_draft_;

    std::vector<node> nodes_;
    std::unordered_map<uint64_t, uint32_t> node_ids_;  // by element and parent
    std::vector<state> states_;
    size_t n_positions_ = 0;                                 // of all states
    size_t n_nodes_kept_ = 0;                                // by the last shrink_tables
    std::unordered_multimap<uint64_t, uint32_t> state_ids_;  // by hash
    std::unordered_map<uint64_t, uint32_t> next_;            // by state and interval of code points

    size_t work_ = 0, polled_ = 0;
    std::vector<uint8_t> allowed_;
    std::vector<uint32_t> seen_;  // by node: the search that saw it last
    uint32_t search_ = 0;
};

}  // namespace overfill
