// Prompts that begin alike, on a pair that keeps what it has read, held against a pair that reads everything.
#pragma once

#include <string>

namespace overfill::test {

struct prefix_outcome {
    bool keeps = false;  // the pair has a prefix cache
    std::string fault;   // what was different first; empty: all is equal to the bit
};

// A pair of one, in micro-batches of one token, so that it makes no difference where a reading begins. Throws what
// pair's constructor throws.
prefix_outcome run_prefix_scenario(const std::string & path);

}  // namespace overfill::test
