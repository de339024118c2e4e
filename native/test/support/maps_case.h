// A whole training with a translator whose linear maps are trained, and what it leaves.
#pragma once

#include "heal_case.h"
#include "map_case.h"
#include "tiny_model.h"

#include <random>
#include <string>

namespace overfill::test {

// A full model of three layers, a student of two, and maps between them; eight lines to train and to evaluate on.
struct maps_case : heal_case {
    // The student has heads of another size.
    explicit maps_case(const map_kind & kind = map_kinds()[0]) : maps_case(kind, narrow()) {}
    maps_case(const map_kind & kind, const tiny_model & shape);

    static tiny_model full_shape();
    static tiny_model narrow();
    static tiny_model alike();  // heads as the full model's, for translators with maps of one side only

    std::string trained_maps() const { return bytes_of(options.translator_out_path); }
    // What a training of the written student begins with; an empty path: by the translator that its metadata names.
    double loss_of_written(const std::string & translator_path) const;

    std::mt19937 random{ 11 };
    model_path full, student;
};

}  // namespace overfill::test
