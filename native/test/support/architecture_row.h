// What a pair makes of one model file: a row of the table in docs/architectures.md.
#pragma once

#include <string>
#include <vector>

namespace overfill::test {

struct architecture_row {
    std::string architecture;
    std::string memory;
    std::string one;       // a pair of one
    std::string two;       // with a q8_0 copy as the decode model
    std::string pruned;    // with a copy of half the width as the decode model
    std::string back;      // whatever takes tokens back, in all of these
    std::string prefixes;  // whether prompts are read once (prefix_scenario.h)
    std::string fault;     // what is wrong; empty: nothing
};

// Runs the whole scenario (pair_scenario.h) with the file and with copies that are made of it in `folder`.
architecture_row try_architecture(const std::string & path, const std::string & folder);

// One text for a row, and back. Throws std::runtime_error for a text that is none.
std::string text_of(const architecture_row & row);
architecture_row row_of(const std::string & text);

// The rows as a table of Markdown.
std::string table_of(const std::vector<architecture_row> & rows);

}  // namespace overfill::test
