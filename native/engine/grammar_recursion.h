// Finds rules that begin with themselves: no finite look at such a grammar tells what may come next.
#pragma once

#include "grammar.h"

#include <optional>

namespace overfill {

// A rule that can be reached from itself without a character or token before it and with something behind it, so that
// each turn would leave more to do than the one before; nothing if there is none. A rule that ends in itself is fine.
std::optional<uint32_t> find_left_recursion(const grammar & rules);

}  // namespace overfill
