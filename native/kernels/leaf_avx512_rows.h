// The part of the AVX-512 leaf that multiplies few columns.
#pragma once

#include "leaf.h"

namespace overfill::kernels {

void add_avx512_rows(leaf & to);

}  // namespace overfill::kernels
