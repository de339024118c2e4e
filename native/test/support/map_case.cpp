#include "map_case.h"

#include "train_case.h"

#include <cmath>
#include <memory>

namespace overfill::test {

const std::vector<map_kind> & map_kinds() {
    static const std::vector<map_kind> kinds = {
        { "before RoPE" },
        { "behind RoPE", false },
        { "common, before RoPE", true, true },
        { "common, behind RoPE", false, true },
        { "without biases", true, false, false },
        { "of K alone", true, false, true, true, false },
        { "of V alone", true, false, true, false, true },
    };
    return kinds;
}

translator random_translator(const map_kind & kind, uint32_t n_layer, uint32_t n_in, uint32_t n_out,
                             std::mt19937 & random) {
    const auto map = [&] {
        auto out = std::make_shared<linear_map>();
        out->n_in = n_in;
        out->n_out = n_out;
        out->weight = random_values((size_t) n_in * n_out, 1 / std::sqrt((float) n_in), random);
        if (kind.biases) out->bias = random_values(n_out, 0.3f, random);
        return out;
    };
    translator how;
    how.before_rope = kind.before_rope;
    for (uint32_t il = 0; il < n_layer; il++) {
        if (!kind.only_v) how.k.push_back(map());
        if (!kind.only_k) how.v.push_back(kind.common ? how.k[il] : map());
    }
    return how;
}

}  // namespace overfill::test
