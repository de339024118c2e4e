// The leaves that were compiled in. Each but the plain one may be called only where its instructions are.
#pragma once

#include "leaf.h"

namespace overfill::kernels {

const leaf & avx512_leaf();
const leaf & avx_vnni_leaf();
const leaf & avx2_leaf();
const leaf & arm_i8mm_leaf();
const leaf & arm_dotprod_leaf();
const leaf & plain_leaf();

}  // namespace overfill::kernels
