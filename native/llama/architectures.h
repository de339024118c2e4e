// Which architectures the loaded llama.cpp knows.
#pragma once

#include <string>

namespace overfill {

bool known_architecture(const std::string & name);

// Whether some layers have a recurrent state in place of a KV cache.
bool hybrid_architecture(const std::string & name);

}  // namespace overfill
