#include "translator.h"

#include <cmath>

namespace overfill {

std::vector<int32_t> named_layer_map(const std::string & name, uint32_t n_from, uint32_t n_to) {
    std::vector<int32_t> layers;
    if (n_from == 0) return layers;
    const bool spaced = name == "spaced";
    // A run of layers cannot be longer than there are layers; spacing them out may name one twice.
    if (!spaced && n_to > n_from) return layers;
    for (uint32_t i = 0; i < n_to; i++) {
        if (name == "first")
            layers.push_back((int32_t) i);
        else if (name == "last")
            layers.push_back((int32_t) (n_from - n_to + i));
        else if (name == "firstlast")
            layers.push_back(i == 0 ? 0 : (int32_t) (n_from - n_to + i));
        else if (spaced)
            // Halves go to the even neighbour, as in the reference implementation.
            layers.push_back(n_to == 1 ? 0 : (int32_t) std::nearbyint((double) i * (n_from - 1) / (n_to - 1)));
    }
    return layers;
}

}  // namespace overfill
