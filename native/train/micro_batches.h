// The sequences of one optimiser step as batches that fit into memory: padded to few different shapes, because a graph
// is built for each; short ones that need no cache packed into one row, without seeing each other.
#pragma once

#include "sequences.h"
#include "train_batch.h"

#include <cstdint>
#include <vector>

namespace overfill {

struct micro_batch_limits {
    uint32_t n_tokens = 2048;     // of a batch, padding included; a single longer sequence is a batch of its own
    uint32_t token_bucket = 32;   // rows are padded to a multiple of it
    uint32_t prefix_bucket = 64;  // the room for cached tokens as well
    bool counts_prefix = false;   // whether the room for cached tokens counts as tokens: the batch computes them too
    uint32_t row_tokens = 0;      // rows that are packed have room for so many at most; 0: no packing
    // What a key costs a token of a row, as a share of all else that the token costs. Longer rows are filled better but
    // attend to more, some of it masked; of several lengths the cheapest is taken.
    double key_cost = 0;
    // Tokens in a row whose keys are computed together, without those that none of them sees; 0: all of the row are.
    uint32_t key_block = 0;
};

struct micro_batch {
    batch_shape shape;
    train_batch data;  // without prefixes and teacher
    // Which sequence (of those given) each row holds, in the order of their segments; one each where rows have
    // prefixes.
    std::vector<std::vector<size_t>> rows;
};

// Every target of every sequence is in exactly one batch, with the weight 1 / n_targets (of all), so that losses and
// gradients of the batches add up to the mean over the step. The same sequences always give the same batches.
std::vector<micro_batch> make_micro_batches(const std::vector<train_sequence> & sequences,
                                            const micro_batch_limits & limits);

}  // namespace overfill
