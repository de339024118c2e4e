// What an answer that was cut short needs to go on as if it had not been: where its rules (grammar and budget for
// reasoning) began, and how many random numbers each of its tokens took.
#pragma once

#include "options.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace overfill {

class answer_trace {
  public:
    // Where the rules and the random numbers of a decode stand.
    struct beginning {
        size_t n_before_rules;  // tokens of the answer that they have not seen
        size_t n_drawn;
    };

    // A decode begins behind the answer's first n_written tokens. The same rules as before go on, and so do the
    // random numbers of the same seed; without a seed the answer's own, which is put into the options.
    beginning begin(sampling_options & options, size_t n_written);
    void set_seed(uint32_t seed) { seed_ = seed; }

    // One token was written.
    void add(uint8_t n_drawn) { n_drawn_.push_back(n_drawn); }

  private:
    sampling_options before_;  // of the decode that the rules began in
    size_t rules_from_ = 0;
    uint32_t seed_ = 0;
    size_t seed_from_ = 0;
    std::vector<uint8_t> n_drawn_;  // by token of the answer
};

}  // namespace overfill
