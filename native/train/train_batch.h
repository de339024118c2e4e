// What a training graph is run on: sequences of equal padded length, each with the cache of the tokens before it.
#pragma once

#include <llama.h>

#include <cstdint>
#include <vector>

namespace overfill {

// A graph is built for one of these.
struct batch_shape {
    uint32_t n_sequences = 1;
    uint32_t n_tokens = 0;  // of a sequence, padding included
    uint32_t n_prefix = 0;  // room for cached tokens of a sequence; 0: none
};

// The cache of a sequence's first tokens, at positions 0 to n - 1: by layer, rows as cache_rows reads them, K after
// RoPE: [n][n_embd_k] and [n][n_embd_v]. Where a translator's maps are trained, what they take: the full model's rows,
// K without its RoPE if the maps work before it.
struct cached_prefix {
    uint32_t n = 0;
    std::vector<std::vector<float>> k, v;
};

// What a reader that is trained reads of a sequence, in place of a cached prefix: tokens at the positions from 0 on,
// and what it gives itself behind them.
struct reader_input {
    std::vector<llama_token> tokens;
    llama_token first = 0;       // that should come next
    float weight = 0;            // of its loss
    std::vector<float> teacher;  // logits [n_vocab] of it, for distillation
};

// Values by sequence and token, [n_sequences][n_tokens].
struct train_batch {
    std::vector<llama_token> tokens;
    std::vector<llama_token> targets;     // the token that should come next; any valid one where the weight is 0
    std::vector<float> weights;           // of a token's loss; with 1 / n everywhere the loss is a mean
    std::vector<llama_pos> positions;     // those of padding may be 0
    std::vector<int32_t> segments;        // a token sees earlier ones of its own segment only; negative: padding
    std::vector<cached_prefix> prefixes;  // [n_sequences], or none; segment 0 sees it
    std::vector<reader_input> readings;   // [n_sequences] where the reader is trained
    std::vector<float> teacher;           // logits [n_sequences][n_tokens][n_vocab], for distillation
};

}  // namespace overfill
