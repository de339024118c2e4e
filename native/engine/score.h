// How likely given responses are: to the full model, to the decode model by itself, and in two stages, with the real
// handover. Teacher forced: whatever a reader would have written, it is given the response's own tokens.
//
// All rows are read on one sequence, one after the other. What is in its caches is told by who read each token: a row
// that begins as the last one did goes on from there, everything else is read anew.
#pragma once

#include "cached_sequence.h"
#include "pair.h"

#include <llama.h>

#include <cstdint>
#include <vector>

namespace overfill {

enum class score_reader { prefill, decode, two_stage };

struct score_row {
    score_reader reader = score_reader::prefill;
    // two_stage: after so many tokens of the response the full model reads them again, and the token that follows is
    // its own; 0: never.
    uint32_t refresh_interval = 0;
};

// By token of a response. In two stages those right behind the prompt or a refresh are the full model's.
struct row_scores {
    std::vector<double> log_probs;    // ln of the token's probability, given all before it
    std::vector<uint8_t> agrees;      // 1: the likeliest token is the full model's likeliest
    std::vector<double> divergences;  // KL(full || row) in nats
};

struct score_request {
    pair_side writer = pair_side::decode;  // the decode model of the rows; not the prefill model
    std::vector<llama_token> prompt;
    std::vector<std::vector<llama_token>> responses;
    std::vector<score_row> rows;
};

struct score_result {
    std::vector<llama_token> prompt;
    std::vector<std::vector<llama_token>> responses;
    std::vector<std::vector<row_scores>> scores;  // [responses][rows]
};

class scorer {
  public:
    // Throws ERR_INVALID_ARGUMENT for an empty prompt or response or a token outside the vocabulary,
    // ERR_CONTEXT_OVERFLOW for a prompt that does not fit together with the longest response.
    scorer(pair & models, llama_seq_id sequence, score_request request);
    // Removes what it has read.
    ~scorer();
    scorer(const scorer &) = delete;
    scorer & operator=(const scorer &) = delete;

    // Reads at most one micro-batch, or hands the cache over once. False: it was aborted. Throws what pair::read,
    // pair::hand_over and check_logits throw.
    bool step();
    bool done() const { return response_ == request_.responses.size(); }
    score_result take_result();

    // Those that it reads into.
    std::vector<cached_sequence *> caches();

  private:
    // How far a step has come. What is left is found anew from what the caches hold and what there is of the row.
    enum class progress { done, more, aborted };
    // What a cache holds, and the tokens that it was read from: responses differ in them.
    struct held_tokens {
        cached_sequence cache;
        std::vector<llama_token> tokens;
    };
    // One distribution a token of the piece: [piece][n_vocab], with what is asked of each.
    struct distributions {
        std::vector<float> logits;
        std::vector<double> log_sums;  // ln of the sum of exponentials
        std::vector<llama_token> likeliest;
        void add(const float * row, size_t n_vocab);
        size_t size() const { return log_sums.size(); }
    };

    progress read_row(const score_row & row, size_t begin, size_t end, distributions & out);
    progress read_alone(pair_side by, size_t begin, size_t end, distributions & out);
    progress read_two_stage(size_t interval, size_t begin, size_t end, distributions & out);
    progress add_first(pair_side by, distributions & out);
    progress read_on(pair_side by, size_t end, size_t first, distributions * out);
    progress hold(size_t n_prefill, size_t n, pair_side next);
    void forget_from(pair_side by, size_t n);
    size_t n_alike(const held_tokens & held, size_t n_prefill, size_t n) const;
    held_tokens & held_of(pair_side by);
    // Of the rows from the first-th of the piece on.
    void compare(const distributions & row, size_t first, row_scores & out) const;
    void next_row();
    size_t piece_size() const;

    pair & pair_;
    llama_seq_id sequence_;
    score_request request_;
    score_result result_;
    size_t response_ = 0, begin_ = 0, row_ = 0;  // what the next step reads
    std::vector<llama_token> tokens_;            // the prompt and the response
    distributions full_;                         // of the piece
    bool turn_taken_ = false;                    // the step has read a micro-batch
    bool refreshing_ = false;                    // a refresh has begun: what it reads anew was forgotten
    std::vector<float> first_logits_[2];         // by reader: behind the prompt
    held_tokens held_, held_by_decode_;          // the second where the decode model has a cache of its own
};

}  // namespace overfill
