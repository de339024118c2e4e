// Scores without meaning, for baselines: which parts they choose depends on the seed and on what is chosen from, and on
// nothing else, so that a larger model of the same seed contains the smaller one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

namespace overfill {

enum class pruned_dimension : uint32_t { hidden, ffn, heads, kv_heads, layers };

// The same on every platform: the standard fixes the seeding and the engine, but no distribution.
inline std::vector<double> random_scores(size_t n, uint32_t seed, pruned_dimension dimension, uint32_t layer) {
    std::seed_seq sequence{ seed, (uint32_t) dimension, layer };
    std::mt19937_64 random(sequence);
    std::vector<double> scores(n);
    for (double & score : scores) score = (double) (random() >> 11) * 0x1p-53;
    return scores;
}

}  // namespace overfill
