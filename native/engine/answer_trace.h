// What an answer that was cut short needs to go on as if it had not been: where its rules (grammar and budget for
// reasoning) began, how many random numbers each of its tokens took, and how mirostat stood.
#pragma once

#include "byte_records.h"
#include "options.h"
#include "sampler_chain.h"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

namespace overfill {

// Numbers that were drawn: to choose a token, and by XTC.
struct random_draws {
    size_t choices = 0;
    size_t xtc = 0;
};

// A copy of the sampler; null: none.
using mirostat_state = std::shared_ptr<llama_sampler>;

class answer_trace {
  public:
    // Where the rules, the random numbers and mirostat of a decode stand.
    struct beginning {
        size_t n_before_rules;  // tokens of the answer that they have not seen
        random_draws drawn;
        mirostat_state mirostat;
    };

    // A decode begins behind the answer's first n_written tokens. The same rules as before go on, and so do the
    // random numbers of the same seed; without a seed the answer's own, which is put into the options. Mirostat goes on
    // with them where it is the same, and where no more than the last 512 tokens were taken back.
    beginning begin(sampling_options & options, size_t n_written);
    void set_seed(uint32_t seed) { seed_ = seed; }
    // The next decode, if it names no seed, draws numbers of its own.
    void part_ways() { parted_ = true; }

    // As bytes, and back. Mirostat's state is not among them: llama.cpp does not tell it. `read` throws bad_record.
    void write(byte_writer & to) const;
    static answer_trace read(byte_reader & from);

    // One token was written.
    void add(const random_draws & drawn, mirostat_state mirostat = nullptr);

  private:
    sampling_options before_;  // of the decode that the rules began in
    size_t rules_from_ = 0;
    uint32_t seed_ = 0;
    size_t seed_from_ = 0;
    bool parted_ = false;
    std::vector<uint8_t> drawn_;           // by token of the answer: 16 choices + xtc
    sampling_options last_;                // of the last decode
    std::deque<mirostat_state> mirostat_;  // behind each of the answer's last tokens
};

}  // namespace overfill
