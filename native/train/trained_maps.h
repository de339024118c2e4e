// A translator's linear maps as parameters of a training: the graph applies them to what the full model's cache has, so
// that gradients reach them.
#pragma once

#include "parameters.h"
#include "translator.h"

#include <ggml.h>

#include <cstddef>
#include <vector>

namespace overfill {

class trained_maps {
  public:
    // The parameters to add to a model's; they refer to the translator's values. Names are those of the translator file
    // behind "translator."; a map that K and V have in common is one parameter.
    static std::vector<added_parameter> parameters_of(const translator & how);

    // No maps.
    trained_maps() = default;
    // `parameters` has those of `how`; it outlives this object.
    trained_maps(const translator & how, const parameter_set & parameters);

    // Null tensors where the student's layer has no map: its rows are what they should be.
    struct map {
        ggml_tensor * weight = nullptr;  // [n_in, n_out]
        ggml_tensor * bias = nullptr;    // [n_out], may be null
    };
    map k(size_t layer) const { return layer < k_.size() ? k_[layer] : map{}; }
    map v(size_t layer) const { return layer < v_.size() ? v_[layer] : map{}; }
    // K comes without its position encoding, and gets the student's behind its map.
    bool before_rope() const { return before_rope_; }

    // Puts the values as they are now into the maps of the translator that this object was made from, or a copy of it.
    void put_values(translator & how) const;

  private:
    std::vector<map> k_, v_;  // by the student's layer
    bool before_rope_ = false;
};

}  // namespace overfill
