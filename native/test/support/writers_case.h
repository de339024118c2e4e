// Tiny models for tests of several decode models on one prefill model.
#pragma once

#include "engine_driver.h"
#include "tiny_model.h"

#include <string>
#include <vector>

namespace overfill::test {

using tokens = std::vector<llama_token>;

inline const pair_side prefill_side = pair_side::prefill, quick = decode_side(0), careful = decode_side(1),
                       third = decode_side(2);

// Tokens of a decode model's micro-batch, and of the prefill model's.
constexpr uint32_t n_written_batch = 32, n_read_batch = 64;

inline tiny_model shape(uint32_t seed, uint32_t n_embd, uint32_t n_layer = 2) {
    tiny_model m;
    m.seed = seed;
    m.n_embd = n_embd;
    m.n_layer = n_layer;
    return m;
}

inline writer_options writer(const std::string & name, const model_path & model) {
    writer_options out;
    out.name = name;
    out.model.path = model.str();
    return out;
}

// A prefill model with the decode models "quick" (small) and "careful" (other).
struct writers_case {
    model_path full{ shape(1, 64) }, small{ shape(2, 32) }, other{ shape(3, 48) };

    pair_options options() const {
        pair_options o = options_for(full.str(), small.str());
        o.context_size = 256;
        o.batch_size = n_read_batch;
        o.decode_name = "quick";
        o.more_writers = { writer("careful", other) };
        return o;
    }
    // One decode model by itself.
    pair_options alone(const model_path & decode) const {
        pair_options o = options();
        o.decode_name = "decode";
        o.decode.path = decode.str();
        o.more_writers.clear();
        return o;
    }
};

}  // namespace overfill::test
