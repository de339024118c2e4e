// From examples to what the trained model reads: which tokens the full model's cache stands for, which the student
// reads, and which of them it is asked about.
#pragma once

#include "examples.h"
#include "random_state.h"

#include <cstdint>
#include <vector>

namespace overfill {

enum class train_mode {
    overfill,  // the student goes on from the full model's cache (arXiv 2508.08446)
    sft,       // the same model alone, on the responses: the baseline
    full,      // any model, on all tokens of plain texts and on the responses of the rest
};

struct sequence_options {
    train_mode mode = train_mode::overfill;
    // Overfill mode: the share of the prompt that the full model reads (teacher_input_ratio of the reference); the
    // student reads the rest. 0 to 1.
    double prompt_ratio = 1;
    // Overfill mode: the full model reads a part of the response too, its share drawn from 0 to this
    // (random_data_cutoff).
    double random_cutoff = 0;
    // Overfill mode: after so many tokens of the response the full model has read them again; 0: never.
    uint32_t refresh_interval = 0;
};

// A piece of one example. `tokens` stand at the positions from n_prefix on.
struct train_sequence {
    std::vector<llama_token> prefix;  // what the full model reads; empty: nothing
    std::vector<llama_token> tokens;  // what the student reads, and after the first one is asked for: n >= 2
    // tokens[i + 1] is asked for where i >= first_target.
    uint32_t first_target = 0;

    uint32_t n_targets() const { return (uint32_t) tokens.size() - 1 - first_target; }
};

// In overfill mode the response is asked for from its second token on: the full model gives the first. With a refresh
// interval the response becomes several sequences, each behind the full model's cache of all that comes before it, and
// the first token of each is the full model's as well. A plain text has no prompt: in overfill mode a tenth to nine
// tenths of it, drawn, are taken for one. Gives nothing for an example that has no token to ask for.
std::vector<train_sequence> sequences_of(const example & from, const sequence_options & options, random_state & random);

}  // namespace overfill
