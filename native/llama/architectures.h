// Which architectures the loaded llama.cpp knows.
#pragma once

#include <string>

namespace overfill {

bool known_architecture(const std::string & name);

}  // namespace overfill
