// A conversation in which a pair does everything that it can do to its memory, held against llama.h alone: a prefill,
// a switch, an answer; a second prefill, which reads the first answer again; tokens taken back; a refresh within an
// answer; a prefill that keeps what the decode model wrote, and one that goes back before that; aborts in the middle of
// each of them.
#pragma once

#include "handover.h"
#include "options.h"
#include "pair_plan.h"

#include <string>

namespace overfill::test {

struct scenario_outcome {
    handover_kind kind = handover_kind::share;
    bool reads_again = false;  // to go back, others than the tokens taken back had to be read once more
    std::string fault;         // what was different first; empty: all is equal to the bit
};

// An empty decode path: a pair of one, whose oracle reads the same tokens in the same pieces; else the oracle hands
// over by a copy of llama.cpp's state. Throws what pair's constructor throws, and std::runtime_error if llama.cpp alone
// cannot do it.
scenario_outcome run_scenario(const std::string & prefill_path, const std::string & decode_path);

}  // namespace overfill::test
