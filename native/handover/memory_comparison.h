// For this room only: two memories of one kind that can only be shared.
#pragma once

#include "memory_traits.h"
#include "plan_comparison.h"

namespace overfill {

// What such memories depend on beside the facts of attention, with one reason a field. K and V are left out where the
// heads were found to differ.
void compare_memories(plan_comparison & compare, const memory_traits & a, const memory_traits & b);

}  // namespace overfill
