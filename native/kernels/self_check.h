// Whether a leaf computes what it should on this very processor: asked before it is trusted with a model.
#pragma once

#include "leaf.h"

namespace overfill::kernels {

// Multiplies a few tiles by both: whole panels and parts of one, several columns and one alone. Every bit must be the
// same; few columns may differ by the rounding of their sums, if the leaf has a way of its own with them. Takes a
// millisecond or two.
bool gives_same_products(const leaf & by, const leaf & as, weight_type type);

// The plain leaf, by which the others are judged.
const leaf & reference();

}  // namespace overfill::kernels
