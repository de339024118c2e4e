// A session apart from its pair: all that it consists of, to be written to a file and to be put into another session.
#pragma once

#include "answer_trace.h"
#include "cached_sequence.h"
#include "options.h"

#include <llama.h>

#include <cstdint>
#include <string>
#include <vector>

namespace overfill {

// The names and meanings are those of session.h.
struct session_image {
    struct cache {
        pair_side of;  // the prefill model, or a decode model with a cache of its own
        cached_sequence::image held;
    };

    session_stage stage = session_stage::empty;
    std::vector<llama_token> tokens;
    pair_side own_writer = pair_side::decode, writer = pair_side::decode;
    std::vector<cache> caches;        // those that hold something
    std::vector<float> first_logits;  // [n_vocab]; empty: there are none
    uint32_t n_before_answer = 0;
    std::vector<uint32_t> refreshes;
    bool refresh_begun = false;
    std::vector<float> refreshed_logits;  // the same
    uint32_t n_before_refreshed = 0;
    uint32_t n_checked = 0;
    std::string unfinished_text, unfinished_text_before;
    uint64_t n_before_decode = 0;
    uint64_t n_before_space = 0;  // session_slot
    bool exact = true;            // the caches are as they were, not rounded
    std::string scope;            // what it reads is found again there only
    answer_trace trace;
};

// Why a session of the pair cannot be this; empty if it can. `sequence` holds nothing. What comes from a file may be
// anything.
std::string image_defect(const session_image & image, const pair & models, llama_seq_id sequence);

}  // namespace overfill
