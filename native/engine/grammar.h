// A GBNF grammar, as llama.cpp's grammars/README.md describes it, compiled for grammar_matcher. The language and the
// reasons of its errors are llama.cpp's. Its own parser and matcher are not used: the parser writes to standard error,
// and neither can be stopped once a grammar is hard on it.
#pragma once

#include <llama.h>

#include <cstdint>
#include <string>
#include <vector>

namespace overfill {

struct code_point_range {
    uint32_t first, last;
    bool operator<(const code_point_range & other) const {
        return first != other.first ? first < other.first : last < other.last;
    }
};

constexpr uint32_t last_code_point = 0x10FFFF;
constexpr uint32_t first_surrogate = 0xD800;
constexpr uint32_t last_surrogate = 0xDFFF;

// Sorted, apart from each other; [^...] is stored as what it leaves.
using character_class = std::vector<code_point_range>;
bool contains(const character_class & characters, uint32_t code_point);

struct grammar_element {
    enum class kind : uint8_t {
        end,          // of a sequence
        rule,         // value: an index of `rules`
        characters,   // one character; value: an index of `classes`
        token,        // a whole token; value: its id
        other_token,  // any whole token but this one
    };
    kind is;
    uint32_t value;
};

struct grammar {
    std::vector<grammar_element> elements;     // sequences, each closed by an `end`
    std::vector<std::vector<uint32_t>> rules;  // of each rule where its alternatives begin in `elements`
    std::vector<character_class> classes;
    // Where the intervals of code points begin that no class tells apart; the first is 0.
    std::vector<uint32_t> intervals;
    uint32_t root = 0;
};

// Throws ERR_GRAMMAR_INVALID with llama.cpp's reason, and the place as a line and a column in characters, both from 1.
// That is also the answer to left recursion, to characters from a higher to a lower one, to tokens that the vocabulary
// does not have, and to a grammar over the limits: 1 MiB, groups 200 deep, 2000 repetitions, 2^20 elements.
grammar parse_grammar(const std::string & text, const llama_vocab * vocab);

}  // namespace overfill
