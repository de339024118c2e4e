// Translators with random linear maps, of every kind that a file can hold.
#pragma once

#include "translator.h"

#include <cstdint>
#include <random>
#include <vector>

namespace overfill::test {

struct map_kind {
    const char * title;
    bool before_rope = true, common = false, biases = true, only_k = false, only_v = false;
};

const std::vector<map_kind> & map_kinds();

// With maps from n_in to n_out for the sides that the kind has.
translator random_translator(const map_kind & kind, uint32_t n_layer, uint32_t n_in, uint32_t n_out,
                             std::mt19937 & random);

}  // namespace overfill::test
